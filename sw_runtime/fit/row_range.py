"""Scales of a matrix: how far its integers reach.

A scaled format reaches about six times its row's root mean square. Rows with a weight beyond that
get a larger scale where clipping it would cost more than the coarser step.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from formats.block import BlockFormat
from golden_models.seedlm.codec import ROW_STEP, paper_scale

MULTIPLES = (1.0, 1.15, 1.35, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.0)
GAIN = 0.98
"""A larger multiple must cut the expected error at least to this share."""

ROOM_BELOW = 6
"""Octaves between a paper matrix's usual exponent and its least one, for blocks of small weights;
nine are left above for large ones."""


@dataclass(frozen=True)
class _Reach:
    """What a format does to Gaussian rows at its usual scale.

    Parameters
    ----------
    error
        Squared error over the row's mean square.
    range
        Largest weight it reaches over the row's root mean square.
    """

    error: float
    range: float


REACH = {
    "scaled-4bit": _Reach(error=0.0066, range=6.0),
    "scaled-3bit": _Reach(error=0.0253, range=4.6),
    "scaled-2bit": _Reach(error=0.0912, range=4.6),
}


def _expected_error(
    magnitudes: Tensor, rms: Tensor, multiple: float, reach: _Reach, power: Tensor, rounded: Tensor
) -> Tensor:
    """Rounding plus clipping error of every row over its energy, weighted by input power: [rows]."""
    rounding = reach.error * (multiple * rms).square() * rounded.sum()
    clipped = (magnitudes - reach.range * multiple * rms[:, None]).clamp(min=0).square() @ power
    return (rounding + clipped) / (magnitudes.square() @ power).clamp(min=1e-300)


def scales(weights: Tensor, block_format: BlockFormat, powers: list[Tensor], rounded: Tensor | None = None) -> Tensor:
    """Scales of a matrix, or of several stacked: float32 [rows] (scaled) or [1] (paper formats).

    Scaled formats: ``ROW_STEP`` times the row's root mean square times the least of ``MULTIPLES``
    that pays, rounded to bfloat16. Paper formats: the power of two that leaves ``ROOM_BELOW`` the
    usual exponent.

    Parameters
    ----------
    weights
        [rows, columns], any float dtype.
    powers
        Mean squares of the inputs, each [columns]; the expected errors under all are summed.
    rounded
        What a rounding error in each column costs where columns answer each other's errors, [columns];
        the powers themselves when not given.
    """
    magnitudes = weights.double().abs()
    rms = magnitudes.square().mean(dim=1).sqrt()
    if block_format.exponent_bits:
        overall = magnitudes.square().mean().sqrt().item()
        usual = math.floor(math.log2(overall / 4)) if overall else block_format.exponent_limits[0]
        return torch.tensor([paper_scale(block_format, usual - ROOM_BELOW - block_format.exponent_limits[0])])
    reach = REACH[block_format.name]
    best = torch.full_like(rms, math.inf)
    chosen = torch.ones_like(rms)
    for multiple in MULTIPLES:
        errors = [
            _expected_error(magnitudes, rms, multiple, reach, p.double(), p.double() if rounded is None else rounded)
            for p in powers
        ]
        error = torch.stack(errors).sum(dim=0)
        better = error < GAIN * best
        best, chosen = torch.where(better, error, best), torch.where(better, multiple, chosen)
    return (ROW_STEP[block_format.name] * chosen * rms).bfloat16().float()
