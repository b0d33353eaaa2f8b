"""Before the search: a model that would answer otherwise with compressed layers is refused."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from formats.errors import CheckpointError
from sw_runtime.compress.trial import trial_inputs, try_compressed
from sw_runtime.nn.places import chosen_places
from tests.models import tiny_llama
from tests.sw_runtime.compress.families import FAMILIES


class Answer(dict[str, Tensor]):
    def to_tuple(self) -> tuple[Tensor, ...]:
        return tuple(self.values())


class Reader(nn.Module):
    """A model that treats its second layer as ``read`` says."""

    main_input_name, dtype = "input_ids", torch.float32

    def __init__(self, read: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.read = read
        self.embedding, self.first, self.second = nn.Embedding(20, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        text = SimpleNamespace(vocab_size=20)
        self.config = SimpleNamespace(is_encoder_decoder=False, get_text_config=lambda: text)

    def can_generate(self) -> bool:
        return True

    def forward(self, input_ids: Tensor) -> Any:
        hidden = self.first(self.embedding(input_ids))
        match self.read:
            case "casts":
                hidden = self.second(hidden.to(self.second.weight.dtype))
            case "multiplies":
                hidden = nn.functional.linear(hidden, self.second.weight, self.second.bias)
            case "slices":
                hidden = hidden[..., :3] @ self.second.weight[:, :3].T
            case "asks":
                hidden = self.second(hidden) if isinstance(self.second, nn.Linear) else hidden
            case "parameter":
                hidden = self.second(hidden) * dict(self.named_parameters())["second.weight"].mean()
        return Answer(logits=hidden)


@pytest.mark.parametrize("read", ["casts", "multiplies", "slices"])
def test_a_model_that_reads_weights_answers_right(read: str) -> None:
    model = Reader(read)
    try_compressed(model, chosen_places(model, None))


@pytest.mark.parametrize("read", ["asks", "parameter"])
def test_a_model_that_answers_otherwise_is_refused_with_the_layer_and_the_remedy(read: str) -> None:
    model = Reader(read)
    second = model.second
    message = (
        r"Reader answers otherwise when second is compressed, .*; leave the layer dense with --modules '\^\(\?!sec"
    )
    with pytest.raises(CheckpointError, match=message):
        try_compressed(model, chosen_places(model, None))
    assert model.second is second
    try_compressed(model, chosen_places(model, "^(?!second$)"))


def test_a_model_that_wants_other_inputs_is_not_tried_and_a_warning_says_so(caplog: pytest.LogCaptureFixture) -> None:
    model = Reader("casts")
    model.main_input_name = "smells"
    with caplog.at_level(logging.WARNING, logger="seedloom.fit"):
        try_compressed(model, chosen_places(model, None))
    assert "Reader was not tried with compressed layers: it reads smells" in caplog.text


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("llama", {"input_ids"}),
        ("t5", {"input_ids", "decoder_input_ids"}),
        ("vit", {"pixel_values"}),
        ("clip", {"input_ids", "pixel_values"}),
        ("whisper", {"input_features", "decoder_input_ids"}),
        ("wav2vec2", {"input_values"}),
    ],
)
def test_a_trial_gives_a_family_what_it_reads(family: str, names: set[str]) -> None:
    assert set(trial_inputs(FAMILIES[family].build())) == names


def test_a_model_that_overflows_is_not_tried_and_a_warning_says_so(caplog: pytest.LogCaptureFixture) -> None:
    model = tiny_llama()
    model.model.norm.weight.data.fill_(float("inf"))
    with caplog.at_level(logging.WARNING, logger="seedloom.fit"):
        try_compressed(model, chosen_places(model, None))
    assert "LlamaForCausalLM was not tried with compressed layers: its outputs overflow" in caplog.text
