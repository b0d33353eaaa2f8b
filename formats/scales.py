"""Default scales of a matrix, as files keep them."""

import math

import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.presets import preset_of


def paper_scale(block_format: BlockFormat, exponent_bias: int = 0) -> float:
    """Scale of a paper-format matrix: the integer datapath shifts by ``exponent - least exponent``.

    ``exponent_bias`` moves the exponent window for matrices with very small or large weights; the
    paper has none (0).
    """
    least = block_format.exponent_limits[0]
    return math.ldexp(1.0, least + exponent_bias) / ((1 << (block_format.lfsr_bits - 1)) - 1)


def row_scales(weights: Tensor, block_format: BlockFormat) -> Tensor:
    """Default scales of a matrix: float32 [rows] or [1], rounded to the 16 bits a file keeps.

    A row of zeros gets scale 0, whatever its words.

    Raises
    ------
    InputError
        If the format has row scales but is no registered preset.
    """
    if block_format.exponent_bits:
        return torch.tensor([paper_scale(block_format)])
    rms = weights.double().pow(2).mean(dim=1).sqrt()
    step = preset_of(block_format).row_step
    assert step is not None  # presets with row scales have one
    return (step * rms).bfloat16().float()
