"""Scores of document paths."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from formats.router.numbers import SQ7_16
from golden_models.router.segments import path_scores as golden_scores
from sw_runtime.device.protocol import Device
from sw_runtime.routing.paths import path_scores

OnBoth = Callable[..., Any]


@pytest.mark.parametrize(("weight", "score"), [(1.0, -177493), (0.0, -24576), (0.5, -101034)])
def test_a_path_scores_its_query_and_the_weighted_document(on_both: OnBoth, weight: float, score: int) -> None:
    documents, queries = [torch.tensor([-1.0, -2, -4])], [torch.tensor([-0.5, -0.25])]
    assert (on_both(path_scores, documents, queries, weight) * 65536).tolist() == [score]


def test_every_path_scores_as_the_golden_model_says(on_both: OnBoth) -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = range(1, 21)
    documents = [torch.randn(length, generator=generator) * 9 - 5 for length in lengths]
    queries = [torch.randn(21 - length, generator=generator) * 9 - 5 for length in lengths]
    expected = golden_scores([SQ7_16.quantise(d) for d in documents], [SQ7_16.quantise(q) for q in queries], 5000)
    assert torch.equal(on_both(path_scores, documents, queries, 5000 / 4096) * 65536, expected.double())


def test_a_score_below_the_format_saturates(on_both: OnBoth) -> None:
    assert on_both(path_scores, [torch.tensor([-100.0])], [torch.tensor([-100.0])]).tolist() == [-128.0]


def test_no_paths_have_no_scores(on_both: OnBoth) -> None:
    assert on_both(path_scores, [], []).shape == (0,)


@pytest.mark.parametrize(
    ("documents", "queries", "weight", "message"),
    [
        ([torch.zeros(1)], [], 1.0, "1 documents, but 0 queries"),
        ([torch.zeros(0)], [torch.zeros(1)], 1.0, "a document or query has 1 to 4095 tokens, not 0"),
        ([torch.zeros(1)], [torch.zeros(4096)], 1.0, "a document or query has 1 to 4095 tokens, not 4096"),
        ([torch.zeros(1)], [torch.zeros(1)], 16.0, r"weight must be 0 to 15\.99, not 16\.0"),
        ([torch.zeros(1)], [torch.full((1,), torch.nan)], 1.0, "1 of 1 values are NaN"),
        ([torch.zeros(1)] * 113, [torch.zeros(1)] * 113, 1.0, "the router answered BAD_N to SEGLL: it holds 112 keys"),
    ],
)
def test_what_are_no_paths_is_refused(
    device: Device, documents: Any, queries: Any, weight: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        path_scores(device, documents, queries, weight)
