"""Trellis rows without feedback take the best of several scales."""

import pytest
import torch
from torch import Tensor

from formats.matrices import real_weights
from formats.presets import TRELLIS_PRESETS
from formats.trellis import TrellisFormat
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.fit import trellis_range
from sw_runtime.fit.row_range import scales
from sw_runtime.fit.trellis_range import NEAR, TRIED, encode_at_best_scales, suited_scales
from sw_runtime.search.trellis import encode

EVERY_PRESET = pytest.mark.parametrize("trellis_format", TRELLIS_PRESETS.values(), ids=TRELLIS_PRESETS)
FOUR = TRELLIS_PRESETS["trellis-4bit"]


def rows() -> Tensor:
    return (
        torch.randn(6, 96, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.01, 5, 1, 2, 3])[:, None]
    )


def errors(weights: Tensor, matrix: TrellisMatrix, importance: Tensor) -> Tensor:
    """Squared error of every row, weighted by column: float64 [rows]."""
    return (real_weights(matrix).double() - weights.double()).square() @ importance.double()


@EVERY_PRESET
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_every_row_loses_as_little_as_at_the_best_scale_tried(trellis_format: TrellisFormat, weighted: bool) -> None:
    weights = rows()
    importance = torch.linspace(0.1, 4.0, 96) if weighted else torch.ones(96)
    usual = scales([weights], trellis_format, [torch.ones(96)])
    found = encode_at_best_scales(weights, trellis_format, usual, importance if weighted else None)
    alone = []
    for multiple in TRIED:
        tried = (multiple * usual).bfloat16().float()
        words = encode(weights, trellis_format, tried, importance=importance if weighted else None).words
        alone.append(errors(weights, TrellisMatrix(trellis_format, words, tried, 96), importance))
    torch.testing.assert_close(errors(weights, found, importance), torch.stack(alone).amin(dim=0), rtol=1e-5, atol=0)
    assert len(set((found.scales / usual).tolist())) > 1
    assert torch.equal(found.scales, found.scales.bfloat16().float())


def test_rows_are_the_same_however_many_are_encoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = scales([rows()], FOUR, [torch.ones(96)])
    together, done = encode_at_best_scales(rows(), FOUR, usual), []
    monkeypatch.setattr(trellis_range, "ROWS_A_STEP", 4)
    apart = encode_at_best_scales(rows(), FOUR, usual, threads=2, progress=done.append)
    assert torch.equal(together.words, apart.words)
    assert torch.equal(together.scales, apart.scales)
    assert done == [4 * 96, 2 * 96]


def test_the_dearest_weight_is_put_near_an_entry_of_the_table() -> None:
    weights, usual = torch.full((1, 64), 10.0), torch.ones(1)
    weights[0, 9] = 83.0  # between the entries 74 and 92
    costs = torch.ones(64)
    costs[9] = 1e4
    reached = 83.0 / suited_scales(weights, FOUR, usual, costs).item()
    assert min(abs(reached - entry) for entry in (74, 92)) < 1.5


def test_where_no_weight_is_dear_the_scale_stays_the_usual_one() -> None:
    weights = torch.arange(-16.0, 16)[None] / 2
    assert suited_scales(weights, FOUR, torch.ones(1), torch.ones(32)).item() == pytest.approx(1, abs=0.05)


def test_suited_scales_are_near_the_usual_ones_and_rows_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, costs = scales([rows()], FOUR, [torch.ones(96)]), torch.logspace(-2, 2, 96)
    together = suited_scales(rows(), FOUR, usual, costs)
    assert torch.equal(together, together.bfloat16().float())
    assert ((together / usual - 1).abs() < max(1 - NEAR[0], NEAR[-1] - 1) + 2**-7).all()
    monkeypatch.setattr(trellis_range, "ROWS_A_STEP", 4)
    assert torch.equal(suited_scales(rows(), FOUR, usual, costs), together)


def test_a_row_of_zeros_has_scale_zero() -> None:
    assert encode_at_best_scales(torch.zeros(1, 8), FOUR, torch.zeros(1)).scales.tolist() == [0.0]
    assert suited_scales(torch.zeros(1, 8), FOUR, torch.zeros(1), torch.ones(8)).tolist() == [0.0]
