from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from golden_models.m2r2.speculation import greedy as golden_greedy
from golden_models.m2r2.speculation import speculation_rounds as golden_rounds
from golden_models.router.prefix import accept_greedy
from sw_runtime.methods.m2r2.residuals import Adapter
from sw_runtime.methods.m2r2.speculation import greedy, speculation_rounds
from tests.golden_models.m2r2.models import random_adapters
from tests.sw_runtime.methods.models import PROMPT, SHAPES, adapters, both_decoders, decoder_of_six_layers


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("prompt", [PROMPT, PROMPT[:1]])
def test_greedy_tokens_are_the_golden_models(shape: dict[str, int], prompt: Tensor) -> None:
    decoder, golden = both_decoders(**shape)
    assert greedy(decoder, prompt, 10) == golden_greedy(golden, prompt, 10)


@settings(max_examples=8, deadline=None)
@given(exit_layer=st.integers(1, 3), drafts=st.integers(1, 4), seed=st.integers(0, 99), shape=st.sampled_from(SHAPES))
def test_every_round_is_the_golden_models(exit_layer: int, drafts: int, seed: int, shape: dict[str, int]) -> None:
    decoder, golden = both_decoders(**shape)
    golden_adapters = random_adapters(exit_layer, seed, width=golden.embedding.shape[1])
    ours = speculation_rounds(decoder, adapters(golden_adapters), PROMPT, drafts, accept_greedy)
    for found, expected in islice(zip(ours, golden_rounds(golden, golden_adapters, PROMPT, drafts), strict=True), 3):
        assert torch.equal(found.drafts, expected.drafts)
        assert torch.equal(found.targets, expected.targets)
        assert (found.accepted, found.tokens) == (expected.accepted, expected.tokens)


def test_some_drafts_are_accepted_and_some_are_not() -> None:
    rounds = speculation_rounds(decoder_of_six_layers(), [Adapter.zero(64, 4)] * 4, PROMPT, 3, accept_greedy)
    assert 0 < sum(found.accepted for found in islice(rounds, 12)) < 36


def test_no_drafts_are_refused() -> None:
    rounds = speculation_rounds(decoder_of_six_layers(), adapters(random_adapters(2, 0)), PROMPT, 0, accept_greedy)
    with pytest.raises(ValueError, match="a round drafts at least one token, not 0"):
        next(rounds)


@pytest.mark.parametrize("exit_layer", [0, 6])
def test_an_exit_without_layers_before_or_after_is_refused(exit_layer: int) -> None:
    drafting = adapters(random_adapters(exit_layer, 0))
    rounds = speculation_rounds(decoder_of_six_layers(), drafting, PROMPT, 2, accept_greedy)
    with pytest.raises(ValueError, match=f"drafts leave after layer 1 to 5, not {exit_layer}"):
        next(rounds)
