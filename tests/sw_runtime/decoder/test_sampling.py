from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from formats.errors import InputError
from sw_runtime.decoder.sampling import BestTokens, NextToken, Sampling

KEYS = np.array([100, 700, 700, -5, 400, 650] + [-4000] * 100)
EXPONENT = -7


def drawn(sampling: Sampling, count: int = 4000) -> dict[int, float]:
    """Shares of the tokens that are drawn."""
    generator = np.random.default_rng(0)
    found = Counter(sampling.draw(BestTokens.of(KEYS, 64), EXPONENT, generator) for _ in range(count))
    return {token: times / count for token, times in found.items()}


def test_of_equal_keys_the_lower_token_is_better() -> None:
    best = BestTokens.of(KEYS, 4)
    assert (best.tokens.tolist(), best.keys.tolist()) == ([1, 2, 5, 4], [700, 700, 650, 400])
    assert NextToken(EXPONENT).of(best) == 1


def test_no_more_tokens_are_asked_for_than_are_looked_at() -> None:
    assert (NextToken(EXPONENT).best, NextToken(EXPONENT, Sampling(top_k=20)).best) == (1, 20)
    chosen = {NextToken(EXPONENT, Sampling(100.0, top_k=3), seed).of(BestTokens.of(KEYS, 3)) for seed in range(40)}
    assert chosen == {1, 2, 5}


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_by_the_probabilities_of_their_logits(temperature: float) -> None:
    logits = KEYS * 2.0**EXPONENT / temperature
    expected = np.exp(logits - logits.max())
    expected /= expected.sum()
    for token, share in drawn(Sampling(temperature)).items():
        assert share == pytest.approx(expected[token], abs=0.03)


def test_top_k_leaves_out_all_but_the_best() -> None:
    assert set(drawn(Sampling(100.0, top_k=3))) == {1, 2, 5}


def test_top_p_keeps_the_fewest_tokens_that_reach_it() -> None:
    shares = drawn(Sampling())
    assert set(drawn(Sampling(top_p=shares[1] + 0.1))) == {1, 2}
    assert set(drawn(Sampling(top_p=0.01))) == {1}


def test_the_settings_of_a_model_are_followed_and_what_they_leave_open_is_as_in_transformers() -> None:
    assert Sampling.of(SimpleNamespace(temperature=0.6, top_k=20, top_p=None)) == Sampling(0.6, 20, 1.0)
    assert Sampling.of(SimpleNamespace()) == Sampling(1.0, 50, 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top_k": 65}, "asks for top_k 65, and the device hands over the best 64; set top_k to 1 to 64"),
        ({"top_k": 0}, "asks for top_k 0"),
        ({"temperature": 0.0}, "temperature 0.0 and top_p 1.0; the one must be above 0"),
        ({"temperature": float("nan")}, "temperature nan and top_p 1.0; the one must be above 0"),
        ({"temperature": "hot"}, "asks for temperature 'hot', which is not a number; correct the entry"),
        ({"temperature": True}, "asks for temperature True, which is not a number"),
        ({"top_k": 5.0}, "asks for top_k 5.0, which is not an integer; correct the entry"),
        ({"top_p": [1]}, r"asks for top_p \[1\], which is not a number"),
        ({"top_p": 1.5}, "temperature 1.0 and top_p 1.5"),
        ({"min_p": 0.1}, "asks for min_p 0.1, but the whole decoder draws by temperature, top_k, top_p; give --greedy"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sampling.of(SimpleNamespace(**settings))
