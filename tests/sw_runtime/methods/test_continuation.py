"""Continuing a text with tokens chosen by the host or by the device's router."""

from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, TextStreamer

from formats.errors import InputError
from formats.router.descriptor import RouterParameters
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.continuation import continue_text, take_tokens, tokens_on_device
from sw_runtime.nn.attach import attach

PROMPT = "w3 w7 w20"


class Collector:
    """A streamer that keeps what it is given."""

    def __init__(self) -> None:
        self.taken: list[list[int]] = []
        self.ended = False

    def put(self, value: torch.Tensor) -> None:
        self.taken.append(value.flatten().tolist())

    def end(self) -> None:
        self.ended = True


@pytest.fixture
def model_and_tokenizer(tiny_model: Callable[..., Path]) -> tuple[Any, Any]:
    """A tiny model on a device with a router."""
    folder = tiny_model()
    model = AutoModelForCausalLM.from_pretrained(folder)
    attach(model, EmulatedDevice(router=RouterParameters()))
    return model, AutoTokenizer.from_pretrained(folder)


def continue_on_device(model: Any, tokenizer: Any, prompt: str, tokens: int, streamer: Any = None) -> list[int]:
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"][0]
    return take_tokens(tokens_on_device(model, ids), model, ids, tokens, streamer)


def test_the_router_chooses_the_tokens_that_the_host_would(model_and_tokenizer: tuple[Any, Any]) -> None:
    assert continue_on_device(*model_and_tokenizer, PROMPT, 6) == continue_text(*model_and_tokenizer, PROMPT, 6)


def test_the_text_ends_with_its_last_token(model_and_tokenizer: tuple[Any, Any]) -> None:
    model, _ = model_and_tokenizer
    ids = continue_text(*model_and_tokenizer, PROMPT, 6)
    for ends in (ids[2], [ids[2]]):
        model.generation_config.eos_token_id = ends
        assert continue_on_device(*model_and_tokenizer, PROMPT, 6) == ids[: ids.index(ids[2]) + 1]


@pytest.mark.parametrize(
    "settings", [{"do_sample": True, "temperature": -1.0}, {"bad_words_ids": 7}, {"do_sample": True, "top_k": -5}]
)
def test_settings_that_transformers_refuses_are_laid_to_their_file(
    model_and_tokenizer: tuple[Any, Any], settings: dict[str, Any]
) -> None:
    model, tokenizer = model_and_tokenizer
    for name, value in settings.items():
        setattr(model.generation_config, name, value)
    with pytest.raises(InputError, match=r"generation_config.json cannot be followed \(.+\); put the entry right"):
        continue_text(model, tokenizer, PROMPT, 2, greedy=False)


def test_a_terminal_without_a_character_is_no_fault_of_the_settings(model_and_tokenizer: tuple[Any, Any]) -> None:
    ascii_only = TextIOWrapper(BytesIO(), encoding="ascii")
    model, tokenizer = model_and_tokenizer

    class Streamer(TextStreamer):
        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            ascii_only.write("é")

    with pytest.raises(UnicodeEncodeError):
        continue_text(model, tokenizer, PROMPT, 2, Streamer(tokenizer))


def test_a_model_s_own_errors_pass_as_they_are(model_and_tokenizer: tuple[Any, Any]) -> None:
    model, tokenizer = model_and_tokenizer

    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("of the model")

    model.forward = broken
    with pytest.raises(ValueError, match=r"^of the model$") as raised:
        continue_text(model, tokenizer, PROMPT, 2)
    assert not isinstance(raised.value, InputError)


def test_a_streamer_takes_the_prompt_and_every_token(model_and_tokenizer: tuple[Any, Any]) -> None:
    streamer = Collector()
    ids = continue_on_device(*model_and_tokenizer, PROMPT, 3, streamer)
    assert streamer.taken == [[3, 7, 20], *([token] for token in ids)]
    assert streamer.ended


def test_a_head_that_is_not_compressed_is_refused(model_and_tokenizer: tuple[Any, Any]) -> None:
    model, tokenizer = model_and_tokenizer
    model.lm_head = torch.nn.Linear(64, 120)
    with pytest.raises(ValueError, match="the model's head is not compressed, so its logits are made on the host"):
        continue_on_device(model, tokenizer, PROMPT, 3)
