from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from formats.errors import InputError
from golden_models.integer_decoder.execution import IntegerDecoder
from sw_runtime.decoder.compiler import compile_program
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.parts import DecoderParts
from tests.sw_runtime.decoder.models import MODELS, TinyOpenELM, golden_decoder, parts_of, tiny_model

FAMILIES = (*MODELS, "openelm")
TOKENS = torch.randint(120, (24,), generator=torch.Generator().manual_seed(5))


@cache
def subject(family: str) -> tuple[DecoderParts, NDArray[Any]]:
    """Parts of a model, and embeddings of ``TOKENS``."""
    if family == "openelm":
        tiny = TinyOpenELM()
        return tiny.parts(), tiny.model.token_embeddings(TOKENS).detach().numpy()
    model = tiny_model(family)
    return parts_of(model), model.get_input_embeddings()(TOKENS).detach().numpy()


def decoders(family: str, kv_bits: int) -> tuple[EmulatedDecoder, IntegerDecoder]:
    parts = subject(family)[0]
    program = compile_program(parts, kv_bits)
    return EmulatedDecoder(program, parts.matrices), golden_decoder(program, parts)


@pytest.mark.parametrize(("family", "kv_bits"), [(family, 8 << (i % 2)) for i, family in enumerate(FAMILIES)])
def test_a_prompt_and_tokens_behind_it_get_the_golden_models_keys(family: str, kv_bits: int) -> None:
    embeddings = subject(family)[1]
    emulated, golden = decoders(family, kv_bits)
    expected = golden(torch.from_numpy(embeddings)).numpy()
    assert np.abs(expected).max() > 1 << 18
    assert np.array_equal(emulated.take(embeddings[:15], answers=15), expected[:15])
    for position in range(15, len(embeddings)):
        assert np.array_equal(emulated.take(embeddings[position : position + 1])[0], expected[position])


def test_only_the_last_tokens_are_answered_unless_more_are_asked_for() -> None:
    embeddings = subject("llama")[1]
    emulated, golden = decoders("llama", 16)
    assert np.array_equal(emulated.take(embeddings), golden(torch.from_numpy(embeddings)).numpy()[-1:])


@pytest.mark.parametrize("at_once", [1, 5])
def test_how_many_tokens_share_a_pass_changes_no_key(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = subject("mistral")[1]
    expected = decoders("mistral", 8)[0].take(embeddings, answers=7)
    monkeypatch.setattr("sw_runtime.decoder.emulated.TOKENS_AT_ONCE", at_once)
    assert np.array_equal(decoders("mistral", 8)[0].take(embeddings, answers=7), expected)


def test_a_text_that_is_rewound_goes_on_as_if_nothing_had_followed() -> None:
    embeddings = subject("llama")[1]
    emulated = decoders("llama", 8)[0]
    emulated.take(embeddings[:9])
    expected = emulated.take(embeddings[9:12])
    emulated.take(embeddings[20:])
    emulated.rewind(9)
    assert emulated.tokens == 9
    assert np.array_equal(emulated.take(embeddings[9:12]), expected)


def test_a_text_cannot_be_rewound_to_more_than_it_has() -> None:
    with pytest.raises(InputError, match="the text has 0 tokens, so it cannot be rewound to 1"):
        decoders("llama", 8)[0].rewind(1)


def test_a_text_longer_than_the_context_is_refused() -> None:
    embeddings = subject("llama")[1]
    emulated = decoders("llama", 8)[0]
    emulated.take(embeddings)
    with pytest.raises(InputError, match="context of 40 tokens, and the text 48; give a shorter text"):
        emulated.take(embeddings)


@pytest.mark.parametrize("answers", [-1, 3])
def test_fewer_answers_than_none_or_more_than_tokens_are_refused(answers: int) -> None:
    with pytest.raises(InputError, match=f"2 tokens give 0 to 2 answers, not {answers}"):
        decoders("llama", 8)[0].take(subject("llama")[1][:2], answers)
