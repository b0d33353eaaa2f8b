"""Scores of document paths from log-likelihoods."""

import pytest
import torch

from formats.router.descriptor import Quota
from formats.router.numbers import SQ7_16, encode
from golden_models.router.segments import path_score, path_scores, segment_mean
from golden_models.router.selection import TopK, topk

DOCUMENT = SQ7_16.quantise(torch.tensor([-1.0, -2.0, -4.0]))
QUERY = SQ7_16.quantise(torch.tensor([-0.5, -0.25]))


@pytest.mark.parametrize(
    ("values", "mean"), [((-1, -2), -1), ((1, 2), 2), ((-1, -1, -1, -2), -1), ((0, -1), 0), ((7,), 7)]
)
def test_means_round_halves_up(values: tuple[int, ...], mean: int) -> None:
    assert segment_mean(torch.tensor(values)) == mean


def test_means_of_log_likelihoods() -> None:
    assert (segment_mean(DOCUMENT), segment_mean(QUERY)) == (-152917, -24576)


@pytest.mark.parametrize(("weight", "score"), [(4096, -177493), (0, -24576), (2048, -101034)])
def test_a_path_is_its_query_and_its_weighted_document(weight: int, score: int) -> None:
    assert path_scores([DOCUMENT], [QUERY], weight).tolist() == [score]


def test_scores_saturate() -> None:
    least = SQ7_16.quantise(torch.tensor([-100.0]))
    assert path_score(int(least), int(least), 4096) == (-8388608, True)
    assert path_score(int(least), 0, 4096) == (-6553600, False)
    assert path_score(8388607, 1, 4096) == (8388607, True)


@pytest.mark.parametrize(("kept", "paths"), [(2, [0, 3]), (1, [0])])
def test_the_best_paths_are_kept_and_the_first_among_equals(kept: int, paths: list[int]) -> None:
    scores = SQ7_16.quantise(torch.tensor([-5.0, -5.2, -6.5, -5.0]))
    keys = encode(scores, SQ7_16.key_format)
    assert topk(keys, TopK(Quota.KEEP, kept)).nonzero().flatten().tolist() == paths


@pytest.mark.parametrize("length", [0, 4096])
def test_segments_have_1_to_4095_values(length: int) -> None:
    with pytest.raises(ValueError, match=f"a segment has 1 to 4095 values, not {length}"):
        segment_mean(torch.zeros(length, dtype=torch.int64))
