"""Random matrices of every format, for the tests of devices."""

import torch

from formats.matrices import EncodedMatrix, Fp16Matrix, Matrix
from formats.palette import LIMIT, PaletteMatrix
from formats.palette_format import ROWS_A_TABLE
from formats.presets import PALETTES, PRESETS, TRELLIS_PRESETS
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.device.random_matrices import random_words


def random_palette(name: str, rows: int, columns: int, generator: torch.Generator | None = None) -> PaletteMatrix:
    """Any codes into tables that hold every kind of integer, the limits among them."""
    entries, groups = 1 << PALETTES[name].code_bits, -(-rows // ROWS_A_TABLE)
    tables = torch.randint(-LIMIT, LIMIT + 1, (groups, entries), generator=generator)
    tables[:, 0], tables[:, -1] = -LIMIT, LIMIT
    codes = torch.randint(entries, (rows, columns), generator=generator)
    return PaletteMatrix(codes, tables, torch.rand(groups, generator=generator))


def random_matrix(name: str, rows: int, columns: int, seed: int = 0) -> Matrix:
    """A matrix of random valid words, of random codes, or of random FP16 weights."""
    generator = torch.Generator().manual_seed(seed)
    if name == "fp16":
        return Fp16Matrix((torch.randn(rows, columns, generator=generator) * 10).half())
    if name in PALETTES:
        return random_palette(name, rows, columns, generator)
    if name in TRELLIS_PRESETS:
        trellis_format = TRELLIS_PRESETS[name]
        words = random_words(trellis_format, rows, columns, generator)
        return TrellisMatrix(trellis_format, words, torch.ones(rows), columns)
    block_format = PRESETS[name]
    words = random_words(block_format, rows, columns, generator)
    return EncodedMatrix(block_format, words, torch.ones(1 if block_format.exponent_bits else rows), columns)
