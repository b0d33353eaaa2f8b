"""A random matrix of every format, to measure and to try a device with."""

import torch
from torch import Tensor

from formats.matrices import EncodedMatrix, Fp16Matrix, Matrix
from formats.palette import PaletteMatrix, quantise_tables
from formats.palette_format import ROWS_A_TABLE
from formats.presets import PALETTES, PRESETS, TRELLIS_PRESETS
from formats.scales import row_scales
from formats.trellis_matrix import TrellisMatrix


def random_matrix(name: str, rows: int, columns: int) -> Matrix:
    """Random valid words of a format; the same at every call."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(rows, columns, generator=generator)
    if name == "fp16":
        return Fp16Matrix(weights.half())
    if name in PALETTES:
        entries, groups = 1 << PALETTES[name].code_bits, -(-rows // ROWS_A_TABLE)
        tables, scales = quantise_tables(torch.randn(groups, entries, generator=generator))
        return PaletteMatrix(torch.randint(entries, (rows, columns), generator=generator), tables, scales)
    if name in TRELLIS_PRESETS:
        trellis_format = TRELLIS_PRESETS[name]
        shape = (rows, trellis_format.blocks(columns))
        words = torch.randint(0, 1 << trellis_format.word_bits, shape, generator=generator)
        return TrellisMatrix(trellis_format, words, torch.ones(rows), columns)
    block_format = PRESETS[name]
    shape = (rows, block_format.blocks(columns))
    seeds = torch.randint(1, block_format.seeds + 1, shape, generator=generator)
    above = torch.randint(0, 1 << (block_format.word_bits - block_format.lfsr_bits), shape, generator=generator)
    return EncodedMatrix(
        block_format, above << block_format.lfsr_bits | seeds, row_scales(weights, block_format), columns
    )


def random_activations(vectors: int, columns: int, activation_bits: int) -> Tensor:
    """Integers over the whole range of an activation, int64 [vectors, columns]; the same at every call."""
    limit = 1 << (activation_bits - 1)
    return torch.randint(-limit, limit, (vectors, columns), generator=torch.Generator().manual_seed(1))
