"""Rows are judged by their weights: whole, and without the outlier that hides the others."""

import pytest
import torch
from torch import Tensor

from sw_runtime.fit.row_errors import worst_row_error


def rows(columns: int = 64) -> Tensor:
    return torch.randn(9, columns, generator=torch.Generator().manual_seed(0))


def test_the_worst_row_counts() -> None:
    weights = rows()
    found = weights.clone()
    found[2] *= 0.9
    found[5] *= 1.2
    assert worst_row_error(weights, found) == pytest.approx(0.2, rel=1e-6)


def test_an_outlier_does_not_hide_that_the_others_are_lost() -> None:
    weights = rows()
    weights[3, 7] = 1e4
    found = weights.clone()
    found[3] = 0
    found[3, 7] = 1e4
    assert worst_row_error(weights, found) == pytest.approx(1, rel=1e-6)


def test_an_outlier_itself_counts() -> None:
    weights = rows()
    weights[3, 7] = 1e4
    found = weights.clone()
    found[3, 7] = 5e3
    assert worst_row_error(weights, found) == pytest.approx(0.5, rel=1e-3)


def test_a_row_much_smaller_than_the_median_one_is_judged_beside_that() -> None:
    weights = rows()
    weights[4] = 0
    found = weights.clone()
    found[4] = 0.05 * rows()[0]
    assert worst_row_error(weights, found) < 0.7
    found[4] = 0.5 * rows()[0]
    assert worst_row_error(weights, found) > 2


def test_one_column_has_no_outlier() -> None:
    assert worst_row_error(rows(1), 1.25 * rows(1)) == pytest.approx(0.25)


@pytest.mark.parametrize(("found", "error"), [(0.0, 0.0), (1e-30, 1.0)])
def test_a_matrix_of_zeros_is_met_or_not(found: float, error: float) -> None:
    assert worst_row_error(torch.zeros(2, 8), torch.full((2, 8), found)) == error
