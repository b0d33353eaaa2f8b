"""Tables near the optimum, whatever the weights."""

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from formats.matrices import real_weights
from golden_models.afm.palettise import dequantise
from golden_models.afm.palettise import palettise as golden_palettise
from sw_runtime.fit.palettes import palettise
from sw_runtime.texts.packaged_models import minilm_weights


def gaussian(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


def error(weights: Tensor, found: Tensor) -> float:
    return ((found - weights).norm() / weights.norm()).item()


def over_the_least(weights: Tensor, code_bits: int) -> float:
    """Squared error over that of the golden model, whose tables are the exact optimum."""
    found, least = palettise(weights, code_bits), golden_palettise(weights, code_bits)
    return (error(weights, real_weights(found)) / error(weights, dequantise(least))) ** 2


@pytest.mark.parametrize(("code_bits", "least"), [(4, 0.0975), (2, 0.3428)])
def test_gaussian_weights_cost_what_the_best_quantiser_costs(code_bits: int, least: float) -> None:
    """Lloyd and Max's optimum of 16 and 4 levels: squared errors .009497 and .1175."""
    weights = gaussian(32, 600)
    assert error(weights, real_weights(palettise(weights, code_bits))) < 1.02 * least


@pytest.mark.parametrize("code_bits", [4, 2])
@pytest.mark.parametrize(
    "matrix", ["0.attention.output.dense", "0.output.dense", "2.intermediate.dense", "2.attention.self.key"]
)
def test_real_rows_cost_at_most_a_thousandth_more_than_the_least(matrix: str, code_bits: int) -> None:
    """Rows of MiniLM, those with its farthest outliers among them."""
    with safe_open(minilm_weights(), "pt") as file:
        weights = file.get_slice(f"encoder.layer.{matrix}.weight")[:64]
    assert 0.9999 < over_the_least(weights, code_bits) < 1.001


@pytest.mark.parametrize("code_bits", [4, 2])
def test_far_weights_get_entries_of_their_own(code_bits: int) -> None:
    assert 0.9999 < over_the_least(gaussian(40, 96) ** 3, code_bits) < 1.001


def test_few_values_are_stored_exactly() -> None:
    weights = torch.tensor([-3.0, 0.5, 1.0, 7.0])[
        torch.randint(4, (20, 30), generator=torch.Generator().manual_seed(1))
    ]
    assert error(weights, real_weights(palettise(weights, 2))) < 1e-4


def test_columns_that_matter_are_met_better() -> None:
    weights, importance = gaussian(16, 64), torch.ones(64)
    importance[:4] = 1000.0
    plain, weighted = (real_weights(palettise(weights, 2, which)) for which in (None, importance))
    assert error(weights[:, :4], weighted[:, :4]) < error(weights[:, :4], plain[:, :4])


@pytest.mark.parametrize("weights", [torch.zeros(3, 5), torch.full((17, 2), 2.5), torch.ones(1, 1)])
def test_constant_matrices_come_back(weights: Tensor) -> None:
    assert torch.allclose(real_weights(palettise(weights, 4)), weights, rtol=1e-4)
