import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from formats.router.descriptor import KeyFormat, Quota
from formats.router.numbers import encode
from golden_models.router.positions import FRACTION_BITS, equilibrium_positions
from golden_models.router.selection import TopK, topk
from golden_models.superposition.forkjoin import (
    SuperpositionParameters,
    forkjoin_mask,
    keep_paths,
    path_bias,
    path_positions,
)

LENGTHS = st.lists(st.integers(1, 5), min_size=1, max_size=4)
LEAST = torch.finfo(torch.float32).min


def closure(preamble: int, documents: list[int], query: int, task: int) -> Tensor:
    """Token by token: an edge from each token to the next along every way through the graph, transitively closed."""
    tokens = preamble + sum(documents) + len(documents) * query + task
    places = iter(range(tokens))

    def take(count: int) -> list[int]:
        return [next(places) for _ in range(count)]

    first = take(preamble)
    paths = [[*take(document), *take(query)] for document in documents]
    last = take(task)
    reached = torch.eye(tokens, dtype=torch.bool)
    for path in paths:
        way = [*first, *path, *last]
        for before, after in pairwise(way):
            reached[after, before] = True
    for through in range(len(reached)):  # Warshall
        reached |= reached[:, through, None] & reached[None, through]
    return reached


@given(st.integers(1, 4), LENGTHS, st.integers(1, 4), st.integers(1, 4))
def test_the_mask_is_the_closure_of_the_token_graph(preamble: int, documents: list[int], query: int, task: int) -> None:
    assert torch.equal(forkjoin_mask(preamble, documents, query, task), closure(preamble, documents, query, task))


def test_a_path_sees_the_preamble_and_itself_and_the_task_sees_all() -> None:
    rows = ["".join(".x"[seen] for seen in row) for row in forkjoin_mask(1, [2, 1], 1, 1).int().tolist()]
    assert rows == ["x......", "xx.....", "xxx....", "xxxx...", "x...x..", "x...xx.", "xxxxxxx"]


def test_documents_of_100_150_and_200_tokens_end_where_the_harmonic_mean_ends() -> None:
    documents, query = path_positions(20, [100, 150, 200])
    assert query == pytest.approx(158.461538, abs=1e-6)
    assert [positions[0].item() for positions in documents] == [20, 20, 20]
    for positions, length in zip(documents, [100, 150, 200], strict=True):
        assert positions[-1].item() == pytest.approx(20 + (length - 1) * 138.461538 / length, abs=1e-5)


def test_one_document_stands_at_the_integers() -> None:
    for placement in ("equilibrium", "rounded", "left"):
        [positions], query = path_positions(7, [5], placement)
        assert positions.tolist() == [7, 8, 9, 10, 11]
        assert query == 12


def test_rounded_positions_are_the_nearest_integers() -> None:
    documents, query = path_positions(0, [2, 4], "rounded")  # S = 8 / 3
    assert [positions.tolist() for positions in documents] == [[0, 1], [0, 1, 1, 2]]
    assert query == 3


def test_left_aligned_queries_follow_the_longest_document() -> None:
    documents, query = path_positions(3, [2, 4], "left")
    assert [positions.tolist() for positions in documents] == [[3, 4], [3, 4, 5, 6]]
    assert query == 7


@given(st.integers(1, 500), st.lists(st.integers(1, 512), min_size=1, max_size=20))
def test_fixed_point_positions_are_off_by_half_a_step_a_token(preamble: int, lengths: list[int]) -> None:
    real, query = path_positions(preamble, lengths)
    fixed, fixed_query = equilibrium_positions(preamble, lengths)
    one = 1 << FRACTION_BITS
    assert abs(fixed_query / one - query) <= 0.5 / one + 1e-9
    for exact, rounded in zip(real, fixed, strict=True):
        errors = (rounded.double() / one - exact).abs()
        assert bool((errors <= torch.arange(len(exact)) * 0.5 / one + 1e-9).all())


@given(st.lists(st.integers(-(1 << 23), (1 << 23) - 1), min_size=1, max_size=24), st.integers(1, 26))
def test_paths_are_kept_as_the_router_keeps_them(weights: list[int], keep: int) -> None:
    integers = torch.tensor(weights)
    by_router = topk(encode(integers, KeyFormat.S24), TopK(Quota.KEEP, keep))
    assert torch.equal(keep_paths(integers, keep), by_router)


def test_the_first_of_equal_paths_is_kept() -> None:
    assert keep_paths(torch.tensor([-5.0, -4.0, -4.0, -4.0]), 2).tolist() == [False, True, True, False]


def test_all_paths_are_kept_when_no_number_is_given() -> None:
    assert keep_paths(torch.tensor([1.0, 2.0]), None).tolist() == [True, True]


def test_log_softmax_of_weights_is_taken_in_float32() -> None:
    weights, everyone = torch.tensor([-5.0, -5.2, -6.5]), torch.ones(3, dtype=torch.bool)
    cold, warm = path_bias(weights, everyone, 0.01), path_bias(weights, everyone, 1.0)
    torch.testing.assert_close(cold, torch.tensor([0.0, -20.0, -math.inf]), atol=1e-4, rtol=0)
    torch.testing.assert_close(warm + -0.7139, torch.tensor([-0.7139, -0.9139, -2.2139]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("temperature", [None, 0.01, 1.0])
def test_a_single_kept_path_has_no_bias(temperature: float | None) -> None:
    weights = torch.tensor([-5.0, -4.9, -6.5])
    bias = path_bias(weights, keep_paths(weights, 1), temperature)
    assert bias[1] == 0
    assert bool((bias[[0, 2]] <= LEAST).all())


def test_keeping_all_paths_without_a_temperature_adds_nothing() -> None:
    weights = torch.tensor([-5.0, -4.9, -6.5])
    assert path_bias(weights, keep_paths(weights, 3), None).tolist() == [0, 0, 0]


def test_a_dropped_path_stays_dropped_beside_kept_ones_of_no_weight() -> None:
    weights = torch.tensor([0.0, -50.0, -60.0])
    assert path_bias(weights, keep_paths(weights, 2), 0.01).tolist() == [0, -math.inf, -math.inf]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keep": None, "temperature": None}, "give keep, temperature or both"),
        ({"keep": 0}, "keep must be at least 1 path, not 0"),
        ({"temperature": 0.0}, "temperature must be above 0, not 0.0"),
        ({"token_temperature": 0.0}, "token_temperature must be above 0"),
        ({"document_weight": -1.0}, "document_weight at least 0, not 1.0 and -1.0"),
        ({"placement": "right"}, "placement must be 'equilibrium', 'rounded' or 'left', not 'right'"),
    ],
)
def test_impossible_parameters_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SuperpositionParameters(**arguments)
