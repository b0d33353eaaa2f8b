"""Whole engines at the largest sums their formats can reach, over the longest row."""

import pytest
import torch
from torch import Tensor

from golden_models.seedlm.block_format import BlockFormat
from golden_models.seedlm.codec import EncodedMatrix
from golden_models.seedlm.datapath import Fp16Matrix, Matrix, integer_matrix
from golden_models.seedlm.lfsr import all_entry_matrices
from hw.engine import Engine
from hw.parameters import FORMAT_NAMES, EngineParameters
from tests.hw.products import make_product
from tests.hw.python_simulator import stream_through

COLUMNS = 1920  # 8 and 12 divide it


def heaviest_word(block_format: BlockFormat) -> int:
    """The word whose weights' magnitudes sum to the most: greatest shift, coefficients at a limit."""
    low, high = block_format.coefficient_limits
    multipliers = torch.tensor([2 * q + 1 if block_format.odd_coefficients else q for q in (low, high)])
    choices = torch.cartesian_prod(*[torch.arange(2)] * block_format.latent_dim)
    weights = all_entry_matrices(block_format) @ multipliers[choices].T
    seed, choice = divmod(int(weights.abs().sum(dim=1).argmax()), len(choices))
    coefficients = tuple((low, high)[index] for index in choices[choice].tolist())
    return block_format.pack(seed + 1, block_format.exponent_limits[1], coefficients)


def heaviest_matrix(parameters: EngineParameters) -> Matrix:
    """Two rows of the greatest weights."""
    weight_format = parameters.weight_formats[0]
    if not isinstance(weight_format, BlockFormat):
        largest = torch.tensor([0x5BFF], dtype=torch.int16).view(torch.float16)
        return Fp16Matrix(largest.repeat(2, COLUMNS))
    words = torch.full((2, weight_format.blocks(COLUMNS)), heaviest_word(weight_format))
    return EncodedMatrix(weight_format, words, torch.ones(2), COLUMNS)


def heaviest_activations(weights: Tensor, activation_bits: int) -> Tensor:
    """Activations at the limits that make one row's sum the greatest, and the least."""
    low, high = -(1 << (activation_bits - 1)), (1 << (activation_bits - 1)) - 1
    return torch.stack([torch.where(weights < 0, low, high), torch.where(weights < 0, high, low)])


@pytest.mark.parametrize("activation_bits", [8, 16])
@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_the_heaviest_row_is_exact_and_fits_the_accumulator(name: str, activation_bits: int) -> None:
    parameters = EngineParameters(
        (name,), port_bytes=32, lanes=1, activation_bits=activation_bits, batch=2, maximum_columns=COLUMNS
    )
    matrix = heaviest_matrix(parameters)
    activations = heaviest_activations(integer_matrix(matrix)[0], activation_bits)
    product = make_product(parameters, matrix, activations)
    results = product.results(stream_through(Engine(parameters), [product.command], product.beats, product.result_beats))
    assert torch.equal(results, product.expected)
    assert results[0, 0] > 0 > results[1, 0]
    assert results.abs().max() < 1 << (parameters.accumulator_bits - 1)
