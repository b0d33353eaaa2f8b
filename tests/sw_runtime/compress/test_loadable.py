"""Before the search: what could not be loaded is not written."""

import json

import pytest
import torch

from formats.errors import CheckpointError
from sw_runtime.compress.loadable import check_loadable
from sw_runtime.compress.source import state_to_store
from sw_runtime.nn.places import chosen_places
from tests.models import tiny_llama


def test_a_model_that_can_be_loaded_passes_and_one_that_cannot_is_refused() -> None:
    model = tiny_llama(num_hidden_layers=1, tie_word_embeddings=True)
    formats = dict.fromkeys(chosen_places(model, None), "scaled-4bit")
    state = state_to_store(model, list(formats))
    config = json.loads(model.config.to_json_string()) | {"architectures": ["LlamaForCausalLM"]}
    untied = json.dumps(config | {"tie_word_embeddings": False})
    check_loadable(model, untied, state, formats)
    with pytest.raises(CheckpointError, match=r"lm_head is compressed, but config\.json ties it"):
        check_loadable(model, json.dumps(config), state, formats)
    with pytest.raises(CheckpointError, match=r"tensor extra\.weight in .* belongs to no layer"):
        check_loadable(model, untied, state | {"extra.weight": torch.zeros(2)}, formats)
    del state["model.norm.weight"]
    with pytest.raises(CheckpointError, match=r"tensor model\.norm\.weight is missing"):
        check_loadable(model, untied, state, formats)
