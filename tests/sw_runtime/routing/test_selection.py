"""Keeping the best tokens, and those between bounds."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

from formats.router.descriptor import Quota
from formats.router.keys import score_keys
from formats.router.numbers import COUNT
from golden_models.router.selection import TopK, topk
from sw_runtime.device.protocol import Device
from sw_runtime.routing.selection import ScoreCode, filter_scores, keep_top

OnBoth = Callable[..., Any]
KEYS = torch.tensor([5, 9, 9, 1, 9, 7, 0, 9])


def mask(n: int, *members: int) -> Tensor:
    chosen = torch.zeros(n, dtype=torch.bool)
    chosen[list(members)] = True
    return chosen


def members(chosen: Tensor) -> list[int]:
    return chosen.nonzero().flatten().tolist()


def attention(heads: int, n: int, seed: int = 0) -> Tensor:
    return (torch.randn(heads, n, generator=torch.Generator().manual_seed(seed)) * 3).softmax(dim=-1)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"keep": 3}, [1, 2, 4]),
        ({"keep": 5}, [1, 2, 4, 5, 7]),
        ({"drop": 3, "last": True}, [1, 2, 4, 5, 7]),
        ({"keep": 0}, []),
        ({"keep": 0, "last": True}, [7]),
        ({"keep": 99}, list(range(8))),
        ({"drop": 99}, []),
        ({"rate": 0.5, "last": True}, [1, 2, 4, 7]),
        ({"candidates": mask(8, 2, 3, 4, 5), "keep": 1, "outside": True}, [0, 1, 2, 6, 7]),
        ({"candidates": mask(8, 0, 2, 3, 5, 6, 7), "keep": 2, "last": True}, [2, 7]),
        ({"force": mask(8, 3, 6), "keep": 1}, [3, 6]),
    ],
)
def test_the_largest_scores_stay_and_the_first_of_equals(on_both: OnBoth, options: Any, kept: list[int]) -> None:
    assert members(on_both(keep_top, KEYS, **options)) == kept


@pytest.mark.parametrize("code", ["sum16", "x24"])
def test_attention_is_ranked_by_its_sum_over_heads(on_both: OnBoth, code: ScoreCode) -> None:
    for heads, n, seed in ((1, 1, 0), (3, 17, 1), (9, 112, 2)):
        scores = attention(heads, n, seed)
        expected = topk(score_keys(scores, code), TopK(Quota.KEEP, n // 3, last=True))
        assert torch.equal(on_both(keep_top, scores, keep=n // 3, last=True, score_code=code), expected)


def test_one_row_of_scores_is_one_head(on_both: OnBoth) -> None:
    scores = attention(1, 20)
    assert torch.equal(on_both(keep_top, scores[0], keep=4), on_both(keep_top, scores, keep=4))


def test_logits_keep_their_sign(on_both: OnBoth) -> None:
    scores = torch.tensor([-5.0, -5.2, -6.5, -5.0, float("-inf")])
    assert members(on_both(keep_top, scores, keep=2, score_code="logits")) == [0, 3]
    assert members(on_both(keep_top, scores, keep=4, score_code="logits")) == [0, 1, 2, 3]


def test_a_rate_is_an_exact_fraction_of_the_candidates_rounded_down(on_both: OnBoth) -> None:
    scores = torch.zeros(100)
    assert int(on_both(keep_top, scores, rate=0.29).sum()) == 71  # int(0.29 * 100) is 28
    candidates = torch.arange(100) < 90
    assert int(on_both(keep_top, scores, rate=0.7, candidates=candidates).sum()) == 27  # int(0.7 * 90) is 62
    assert int(on_both(keep_top, scores, rate=Fraction(1, 3), candidates=candidates).sum()) == 60
    assert int(on_both(keep_top, scores, rate=1.0).sum()) == 0


@pytest.mark.parametrize("code", ["sum16", "x24", "logits"])
def test_nan_is_refused_or_ranked_last(on_both: OnBoth, device: Device, code: ScoreCode) -> None:
    scores = torch.tensor([float("nan"), 0.5, 0.25])
    with pytest.raises(ValueError, match="1 of 3 values are NaN"):
        keep_top(device, scores, keep=1, score_code=code)
    assert members(on_both(keep_top, scores, keep=2, score_code=code, nan="lowest")) == [1, 2]


def test_no_tokens_give_no_mask(on_both: OnBoth) -> None:
    assert on_both(keep_top, torch.zeros(0), keep=3).shape == (0,)


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        (KEYS, {}, "give one of keep, drop and rate"),
        (KEYS, {"keep": 1, "rate": 0.5}, "give one of keep, drop and rate"),
        (KEYS, {"keep": -1}, "numbers of tokens from 0 on, not -1"),
        (KEYS, {"rate": 1.5}, "a rate must be 0 to 1, not 1.5"),
        (KEYS - 1, {"keep": 1}, "integer scores must be 0 to 16777215"),
        (KEYS[None], {"keep": 1}, r"scores must be \[n\] here, not \[1, 8\]"),
        (torch.zeros(1, 1, 3), {"keep": 1}, r"scores must be \[n\] or \[heads, n\], not \[1, 1, 3\]"),
        (torch.zeros(0, 3), {"keep": 1}, r"scores must be \[n\] or \[heads, n\], not \[0, 3\]"),
        (torch.zeros(257, 3), {"keep": 1}, "at most 256 heads, not 257; use score_code='x24'"),
        (torch.zeros(113), {"keep": 1}, "113 tokens do not fit the router's 112 keys; split them"),
        (torch.zeros(3), {"keep": 1, "score_code": "mean"}, "code must be 'sum16' or 'x24', not 'mean'"),
        (KEYS, {"keep": 1, "candidates": torch.ones(7, dtype=torch.bool)}, r"candidates must be bool \[8\]"),
        (KEYS, {"keep": 1, "force": KEYS}, r"force must be bool \[8\], not torch.int64 \[8\]"),
    ],
)
def test_what_cannot_be_ranked_is_refused(device: Device, scores: Tensor, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        keep_top(device, scores, **options)


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        ({"low": 20}, [3, 4]),
        ({"low": 20, "low_closed": True}, [1, 2, 3, 4]),
        ({"low": 20, "low_closed": True, "high": 30, "high_closed": True}, [1, 2, 3]),
        ({"low": 20, "high": 30}, []),
        ({"low": 20, "low_closed": True, "high": 30, "high_closed": True, "invert": True}, [0, 4]),
        ({"low": 20, "high": 30, "invert": True}, [0, 1, 2, 3, 4]),
        ({}, [0, 1, 2, 3, 4]),
        ({"low": 40, "high": 10}, []),
        ({"low": torch.tensor([9.0, 20, 19, float("inf"), 0])}, [0, 2, 4]),
        ({"low": torch.tensor([10.0, 21, 19, 31, 0]), "low_closed": True}, [0, 2, 4]),
    ],
)
def test_scores_between_bounds_stay(on_both: OnBoth, bounds: Any, kept: list[int]) -> None:
    scores = torch.tensor([10.0, 20, 20, 30, 40])
    for number_format in ({}, {"number_format": COUNT}):
        assert members(on_both(filter_scores, scores, **bounds, **number_format)) == kept


def test_bounds_between_two_numbers_of_the_format_are_exact(on_both: OnBoth) -> None:
    step = 2.0**-16
    scores = torch.tensor([0.0, step, 2 * step], dtype=torch.float64)
    for closed in (False, True):
        assert members(on_both(filter_scores, scores, 1.5 * step, low_closed=closed)) == [2]
        assert members(on_both(filter_scores, scores, high=0.5 * step, high_closed=closed)) == [0]


@pytest.mark.parametrize("bound", [float("inf"), 1e9])
def test_a_bound_above_the_format_passes_nothing_and_one_below_everything(on_both: OnBoth, bound: float) -> None:
    scores = torch.tensor([float("inf"), 0.0, float("-inf")])
    for closed in (False, True):
        assert members(on_both(filter_scores, scores, bound, low_closed=closed)) == []
        assert members(on_both(filter_scores, scores, -bound, low_closed=closed)) == [0, 1, 2]


def test_nan_is_refused_or_the_least_number(on_both: OnBoth, device: Device) -> None:
    scores = torch.tensor([float("nan"), 1.0])
    with pytest.raises(ValueError, match="1 of 2 values are NaN"):
        filter_scores(device, scores, 0.0)
    assert members(on_both(filter_scores, scores, high=0.0, nan="lowest")) == [0]


@pytest.mark.parametrize(
    ("scores", "low", "message"),
    [
        (torch.zeros(2, 2), 0.0, r"scores must be \[n\] here, not \[2, 2\]"),
        (torch.zeros(113), 0.0, "113 tokens do not fit the router's 112 keys"),
        (torch.zeros(3), float("nan"), "a threshold must be a number or an infinity, not NaN"),
        (torch.zeros(3), torch.zeros(2), r"bounds must be \[3\], not \[2\]"),
        (
            torch.zeros(2),
            torch.tensor([0, -1e9]),
            "1 of 2 bounds lie outside the format; clamp them, or flip low_closed",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(device: Device, scores: Tensor, low: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        filter_scores(device, scores, low)
