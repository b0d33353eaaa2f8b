"""The trellis formats that kernels are tried on, and random words of them."""

import torch

from formats.presets import TRELLIS_PRESETS
from formats.trellis import TrellisFormat

LONG_WINDOW = TrellisFormat("long", 16, (2,), (0x8100, 0x0104, 0x0605, 0x100A), tuple(range(-8, 8)))
"""Of another length and table than the code that ships."""

FORMATS = [*TRELLIS_PRESETS.values(), LONG_WINDOW]


def random_words(
    trellis_format: TrellisFormat, rows: int, columns: int, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Words, int64 [rows, blocks], and scales, bfloat16 [rows]."""
    generator = torch.Generator().manual_seed(seed)
    words = torch.randint(1 << trellis_format.word_bits, (rows, trellis_format.blocks(columns)), generator=generator)
    return words, (torch.rand(rows, generator=generator) + 0.1).bfloat16()
