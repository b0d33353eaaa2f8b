from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from golden_models.afm.k_means import k_means
from golden_models.afm.palettise import nearest


def gaussian(groups: int, n: int) -> Tensor:
    return torch.randn(groups, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)


def errors(values: Tensor, tables: Tensor, weights: Tensor | None = None) -> Tensor:
    """Weighted squared error of every group: [groups]."""
    squares = (values - tables.gather(1, nearest(values, tables))).square()
    return (squares if weights is None else weights * squares).sum(dim=1)


def error_of_run(values: Tensor, weights: Tensor) -> float:
    mean = (weights * values).sum() / weights.sum()
    return (weights * (values - mean).square()).sum().item()


@pytest.mark.parametrize("entries", [1, 2, 3, 4])
@pytest.mark.parametrize("n", [5, 8, 10])
def test_no_split_into_runs_is_better(n: int, entries: int) -> None:
    values, weights = gaussian(1, n) ** 3, gaussian(1, n + 1)[:, :n].square() + 0.01
    order = values[0].argsort()
    ordered, shares = values[0][order], weights[0][order]
    splits = [[0, *places, n] for places in combinations(range(1, n), entries - 1)]
    best = min(sum(error_of_run(ordered[a:b], shares[a:b]) for a, b in pairwise(s)) for s in splits)
    assert errors(values, k_means(values, entries, weights), weights).item() == pytest.approx(best, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("n", [17, 63, 64, 65, 100])
def test_it_is_what_trying_every_start_of_every_run_finds(n: int) -> None:
    values = gaussian(1, n).sort(dim=1).values
    cost = np.full((n + 1, n + 1), np.inf)
    for start in range(n):
        for end in range(start + 1, n + 1):
            cost[start, end] = values[0, start:end].var(correction=0) * (end - start)
    best = cost[0]
    for _ in range(15):
        best = (best[:, None] + cost).min(axis=0)
    assert errors(values, k_means(values, 16)).item() == pytest.approx(best[n], rel=1e-9, abs=1e-12)


def test_lloyds_steps_from_quantiles_end_above_it() -> None:
    values = gaussian(4, 2000) ** 3
    tables = values.quantile((torch.arange(16).double() + 0.5) / 16, dim=1).T
    for _ in range(25):
        codes = nearest(values, tables)
        counts = torch.zeros_like(tables).scatter_add_(1, codes, torch.ones_like(values))
        tables = torch.zeros_like(tables).scatter_add_(1, codes, values) / counts
    assert (errors(values, tables) > 1.15 * errors(values, k_means(values, 16))).all()


def test_a_weight_of_three_is_three_equal_values() -> None:
    values, weights = gaussian(1, 40), torch.ones(1, 40)
    weights[0, ::3] = 3
    copies = torch.cat([values, values[:, ::3], values[:, ::3]], dim=1)
    torch.testing.assert_close(k_means(values, 4, weights), k_means(copies, 4))


def test_values_of_weight_0_do_not_count_unless_all_are_so() -> None:
    values = gaussian(1, 40)
    weights = (values < 1).double()
    torch.testing.assert_close(k_means(values, 4, weights), k_means(values[values < 1][None], 4))
    torch.testing.assert_close(k_means(values, 4, torch.zeros(1, 40)), k_means(values, 4))


def test_every_group_has_a_table_of_its_own() -> None:
    values = gaussian(3, 50)
    assert k_means(values, 4).equal(torch.cat([k_means(group[None], 4) for group in values]))


def test_a_far_centre_takes_nothing_from_the_tables() -> None:
    values = gaussian(1, 500)
    torch.testing.assert_close(k_means(values + 2.0**20, 16) - 2.0**20, k_means(values, 16), rtol=0, atol=1e-8)


def test_fewer_values_than_entries_are_kept_and_the_largest_fills_the_table() -> None:
    assert k_means(torch.tensor([[2.0, -1.0, 2.0, 0.5]]), 4).tolist() == [[-1.0, 0.5, 2.0, 2.0]]
