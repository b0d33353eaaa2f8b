import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM

from formats.errors import InputError
from sw_runtime.decoder.families import longest_context, transformers_parts
from tests.models import TINY
from tests.sw_runtime.decoder.models import parts_of, tiny_model


def refused(model: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parts_of(model)


def test_another_family_is_refused_by_name() -> None:
    model = Gemma2ForCausalLM(Gemma2Config(**TINY | {"head_dim": 16}))
    refused(model, "compiled for gemma3_text, llama, mistral, qwen2, qwen3, not for gemma2")


def test_a_layer_that_is_not_compressed_is_refused_by_name() -> None:
    model = tiny_model("llama")
    model.model.layers[1].mlp.up_proj = torch.nn.Linear(64, 100)
    refused(model, r"model\.layers\.1\.mlp\.up_proj is not compressed, and a program .* compress it too")


@pytest.mark.parametrize(
    ("family", "setting", "value", "message"),
    [
        ("llama", "hidden_act", "relu", "gates of a program are silu, gelu, gelu_pytorch_tanh, not relu"),
        ("llama", "rms_norm_eps", 0.0, "config.json says rms_norm_eps 0.0; a norm of a program needs a number above 0"),
        ("llama", "rms_norm_eps", -1e-5, "config.json says rms_norm_eps -1e-05; a norm"),
        ("llama", "rms_norm_eps", math.inf, "config.json says rms_norm_eps inf; a norm"),
        ("gemma3", "attn_logit_softcapping", 50.0, "no command caps logits, .* attn_logit_softcapping is 50.0"),
        ("gemma3", "final_logit_softcapping", 30.0, "no command caps logits, .* final_logit_softcapping is 30.0"),
        ("gemma3", "use_bidirectional_attention", True, "attends to later tokens, .* use_bidirectional_attention"),
        ("llama", "rope_parameters", {"rope_type": "dynamic"}, "rotary rows are default, .*, not dynamic"),
    ],
)
def test_what_no_command_does_is_refused(family: str, setting: str, value: object, message: str) -> None:
    model = tiny_model(family)
    setattr(model.config, setting, value)
    refused(model, message)


@pytest.mark.parametrize("positions", [0, -5, 5.0, True, None])
def test_a_context_that_is_no_number_of_positions_is_refused(positions: object) -> None:
    with pytest.raises(InputError, match=rf"config\.json says max_position_embeddings {positions}; set it to the"):
        longest_context(SimpleNamespace(max_position_embeddings=positions))


@pytest.mark.parametrize(("positions", "context"), [(1, 1), (65535, 65535), (65536, 65535), (10**9, 65535)])
def test_a_context_is_as_long_as_hardware_counts(positions: int, context: int) -> None:
    assert longest_context(SimpleNamespace(max_position_embeddings=positions)) == context


def test_rotary_rows_reach_as_far_as_asked() -> None:
    parts = transformers_parts(tiny_model("gemma3"), 17)
    assert [rows.cos.shape for rows in parts.rotary] == [(17, 8), (17, 8)]
