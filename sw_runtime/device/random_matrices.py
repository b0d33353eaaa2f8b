"""A random matrix of every format, to measure and to try a device with."""

import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.matrices import EncodedMatrix, Fp16Matrix, Matrix
from formats.palette import PaletteMatrix, quantise_tables
from formats.palette_format import ROWS_A_TABLE
from formats.presets import PALETTES, PRESETS, TRELLIS_PRESETS
from formats.scales import row_scales
from formats.trellis import TrellisFormat
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
        words = random_words(trellis_format, rows, columns, generator)
        return TrellisMatrix(trellis_format, words, torch.ones(rows), columns)
    block_format = PRESETS[name]
    words = random_words(block_format, rows, columns, generator)
    return EncodedMatrix(block_format, words, row_scales(weights, block_format), columns)


def random_words(
    row_format: BlockFormat | TrellisFormat, rows: int, columns: int, generator: torch.Generator
) -> Tensor:
    """Valid words of a format, each as likely: int64 [rows, blocks]."""
    shape = (rows, row_format.blocks(columns))
    if isinstance(row_format, TrellisFormat):
        return torch.randint(0, 1 << row_format.word_bits, shape, generator=generator)
    seeds = torch.randint(1, row_format.seeds + 1, shape, generator=generator)
    above = torch.randint(0, 1 << (row_format.word_bits - row_format.lfsr_bits), shape, generator=generator)
    return above << row_format.lfsr_bits | seeds


def random_activations(vectors: int, columns: int, activation_bits: int, seed: int = 0) -> Tensor:
    """Integers over the whole range of an activation, int64 [vectors, columns]; the same for the same seed."""
    limit = 1 << (activation_bits - 1)
    return torch.randint(-limit, limit, (vectors, columns), generator=torch.Generator().manual_seed(seed))
