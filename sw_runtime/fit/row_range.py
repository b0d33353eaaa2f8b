"""Scales of a matrix: how far its integers reach.

A scaled format reaches about six times its row's root mean square. Rows with a weight beyond that
get a larger scale where clipping it would cost more than the coarser step.
"""

import math

import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.presets import Preset, preset_of
from formats.scales import paper_scale
from formats.trellis import TrellisFormat

MULTIPLES = (1.0, 1.15, 1.35, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.0)
AT_ONCE = 1 << 22
"""Weights taken at once: bounds the memory for float64 copies."""

GAIN = 0.98
"""A larger multiple must cut the expected error at least to this share."""

ROOM_BELOW = 6
"""Octaves between a paper matrix's usual exponent and its least one, for blocks of small weights;
nine are left above for large ones."""


def _expected_error(magnitudes: Tensor, reached: Tensor, preset: Preset, power: Tensor, rounded: Tensor) -> Tensor:
    """Rounding plus clipping error of every row over its energy, weighted by input power: [rows]."""
    assert preset.rounding_error is not None  # presets with row scales have both
    assert preset.reach is not None
    rounding = preset.rounding_error * reached.square() * rounded.sum()
    clipped = (magnitudes - preset.reach * reached[:, None]).clamp(min=0).square() @ power
    return (rounding + clipped) / (magnitudes.square() @ power).clamp(min=1e-300)


def _paying_multiples(
    weights: Tensor, preset: Preset, powers: list[Tensor], rounded: Tensor | None
) -> tuple[Tensor, Tensor]:
    """What to multiply each row's usual scale by, and the row's root mean square: float64 [rows] both.

    The smallest of ``MULTIPLES`` whose expected error is lowest by at least 2 %.
    """
    magnitudes = weights.double().abs()
    rms = magnitudes.square().mean(dim=1).sqrt()
    best, chosen = torch.full_like(rms, math.inf), torch.ones_like(rms)
    for multiple in MULTIPLES:
        reached = multiple * rms
        errors = [
            _expected_error(magnitudes, reached, preset, power, power if rounded is None else rounded)
            for power in (power.double() for power in powers)
        ]
        error = torch.stack(errors).sum(dim=0)
        better = error < GAIN * best
        best, chosen = torch.where(better, error, best), torch.where(better, multiple, chosen)
    return chosen, rms


def scales(
    weights: list[Tensor],
    layout: BlockFormat | TrellisFormat,
    powers: list[Tensor],
    rounded: Tensor | None = None,
) -> Tensor:
    """Scales of matrices of one input, under each other: float32 [rows] (scaled, trellis) or [1] (paper formats).

    Formats with row scales: ``row_step · rms · m``, rounded to bfloat16. rms is the row's root mean square, m the
    smallest of ``MULTIPLES`` whose expected error is lowest by at least 2 %. Paper formats: the power of two
    that leaves ``ROOM_BELOW`` the usual exponent.

    Parameters
    ----------
    weights
        [rows, columns] each, any float dtype.
    powers
        Mean squares of the inputs, each [columns]; the expected errors under all are summed.
    rounded
        What a rounding error in each column costs where columns answer each other's errors, [columns];
        the powers themselves when not given.
    """
    parts = [part for matrix in weights for part in torch.split(matrix, max(1, AT_ONCE // matrix.shape[1]))]
    if isinstance(layout, BlockFormat) and layout.exponent_bits:
        energy = sum(part.double().square().sum().item() for part in parts)
        overall = math.sqrt(energy / sum(matrix.numel() for matrix in weights))
        usual = math.floor(math.log2(overall / 4)) if overall else layout.exponent_limits[0]
        return torch.tensor([paper_scale(layout, usual - ROOM_BELOW - layout.exponent_limits[0])])
    preset = preset_of(layout)
    assert preset.row_step is not None
    found = [_paying_multiples(part, preset, powers, rounded) for part in parts]
    chosen, rms = (torch.cat(values) for values in zip(*found, strict=True))
    return (preset.row_step * chosen * rms).bfloat16().float()
