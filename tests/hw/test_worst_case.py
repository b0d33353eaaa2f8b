"""Whole engines at the largest sums their formats can reach, over the longest row."""

import pytest
import torch

from formats.block import BlockFormat
from formats.engine import EngineParameters, format_names
from formats.matrices import EncodedMatrix, Fp16Matrix, Matrix
from formats.palette import LIMIT, PaletteMatrix
from formats.palette_format import PaletteFormat
from formats.trellis import TrellisFormat
from formats.trellis_matrix import TrellisMatrix
from golden_models.seedlm.datapath import integer_matrix
from hw.engine.engine import Engine
from sw_runtime.search.trellis import encode
from tests.hw.products import heaviest_activations, heaviest_word, make_product
from tests.hw.python_simulator import stream_through

COLUMNS = 480  # 8, 12 and 16 divide it


def heaviest_matrix(parameters: EngineParameters) -> Matrix:
    """Two rows of the greatest weights."""
    weight_format = parameters.weight_formats[0]
    if isinstance(weight_format, PaletteFormat):
        codes, tables = torch.zeros(2, COLUMNS, dtype=torch.int64), torch.full((1, weight_format.table_entries), LIMIT)
        return PaletteMatrix(codes, tables, torch.ones(1))
    if isinstance(weight_format, TrellisFormat):
        words = encode(torch.full((2, COLUMNS), 127.0), weight_format, torch.ones(2)).words
        return TrellisMatrix(weight_format, words, torch.ones(2), COLUMNS)
    if not isinstance(weight_format, BlockFormat):
        largest = torch.tensor([0x5BFF], dtype=torch.int16).view(torch.float16)
        return Fp16Matrix(largest.repeat(2, COLUMNS))
    words = torch.full((2, weight_format.blocks(COLUMNS)), heaviest_word(weight_format))
    return EncodedMatrix(weight_format, words, torch.ones(2), COLUMNS)


@pytest.mark.parametrize("activation_bits", [8, 16])
@pytest.mark.parametrize("name", format_names())
def test_the_heaviest_row_is_exact_and_fits_the_accumulator(name: str, activation_bits: int) -> None:
    parameters = EngineParameters(
        (name,), port_bytes=32, lanes=1, activation_bits=activation_bits, batch=2, maximum_columns=COLUMNS
    )
    matrix = heaviest_matrix(parameters)
    activations = heaviest_activations(integer_matrix(matrix)[0], activation_bits)
    product = make_product(parameters, matrix, activations)
    results = product.results(
        stream_through(Engine(parameters), [product.command], product.beats, product.result_beats)
    )
    assert torch.equal(results, product.expected)
    assert results[0, 0] > 0 > results[1, 0]
    assert results.abs().max() < 1 << (parameters.accumulator_bits - 1)
