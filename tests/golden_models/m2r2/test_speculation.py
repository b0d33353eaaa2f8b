from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from golden_models.decoder import Decoder
from golden_models.m2r2.residuals import Adapter
from golden_models.m2r2.speculation import Round, greedy, speculation_rounds
from tests.golden_models.m2r2.models import PROMPT, decoder_of_six_layers, random_adapters
from tests.models import tiny_llama

NEW = 12


def speculate(
    decoder: Decoder, adapters: list[Adapter], prompt: Tensor, new_tokens: int, drafts: int
) -> tuple[list[int], list[Round]]:
    """So many tokens, and the rounds that found them."""
    tokens: list[int] = []
    rounds: list[Round] = []
    found = speculation_rounds(decoder, adapters, prompt, drafts)
    while len(tokens) < new_tokens:
        rounds.append(next(found))
        tokens += rounds[-1].tokens
    return tokens[:new_tokens], rounds


def test_greedy_is_that_of_transformers() -> None:
    model = tiny_llama()
    expected = model.generate(PROMPT[None], max_new_tokens=NEW, do_sample=False, eos_token_id=None, pad_token_id=0)
    assert greedy(Decoder.from_transformers(model), PROMPT, NEW) == expected[0, 6:].tolist()


@settings(max_examples=12, deadline=None)
@given(exit_layer=st.integers(1, 5), drafts=st.integers(1, 4), seed=st.integers(0, 99))
def test_whatever_the_adapters_the_tokens_are_those_of_greedy_decoding(exit_layer: int, drafts: int, seed: int) -> None:
    decoder = decoder_of_six_layers()
    tokens, _ = speculate(decoder, random_adapters(exit_layer, seed), PROMPT, NEW, drafts)
    assert tokens == greedy(decoder, PROMPT, NEW)


def test_rounds_say_what_was_drafted_wanted_and_accepted() -> None:
    decoder = decoder_of_six_layers()
    tokens, rounds = speculate(decoder, [Adapter.zero(64, 4)] * 4, PROMPT, NEW, 3)
    rebuilt: list[int] = []
    for found in rounds:
        accepted = 0
        while accepted < 3 and found.drafts[accepted] == found.targets[accepted]:
            accepted += 1
        assert found.accepted == accepted
        assert found.tokens == found.targets[: accepted + 1].tolist()
        rebuilt += found.tokens
    assert rebuilt[:NEW] == tokens
    assert 0 < sum(found.accepted for found in rounds) < 3 * len(rounds)  # some are right, some are not


def test_when_later_layers_add_nothing_every_draft_is_accepted() -> None:
    decoder = decoder_of_six_layers()
    idle = tuple(replace(layer, output=layer.output * 0, down=layer.down * 0) for layer in decoder.layers[3:])
    decoder = replace(decoder, layers=decoder.layers[:3] + idle)
    tokens, rounds = speculate(decoder, [Adapter.zero(64, 4)] * 3, PROMPT, 12, 3)
    assert [found.accepted for found in rounds] == [3, 3, 3]
    assert tokens == greedy(decoder, PROMPT, 12)


def test_a_prompt_of_one_token_will_do() -> None:
    decoder = decoder_of_six_layers()
    assert speculate(decoder, random_adapters(2, 5), PROMPT[:1], 5, 2)[0] == greedy(decoder, PROMPT[:1], 5)


def test_no_drafts_are_refused() -> None:
    with pytest.raises(ValueError, match="a round drafts at least one token, not 0"):
        speculate(decoder_of_six_layers(), random_adapters(2, 0), PROMPT, 3, 0)


@pytest.mark.parametrize("exit_layer", [0, 6])
def test_an_exit_without_layers_before_or_after_is_refused(exit_layer: int) -> None:
    with pytest.raises(ValueError, match=f"drafts leave after layer 1 to 5, not {exit_layer}"):
        speculate(decoder_of_six_layers(), random_adapters(exit_layer, 0), PROMPT, 3, 2)
