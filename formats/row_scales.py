"""Row scales as the requantiser takes them, and the exponent of a product: what makes sums of rows comparable.

Scaled formats keep a row's scale as a bfloat16 number, 8 bits times a power of two.
``golden_models/seedlm/requantise.py`` says how a sum becomes a key.
"""

import math

import torch
from torch import Tensor

from formats.errors import InputError

MAXIMUM_KEY = (1 << 23) - 1
"""Keys are signed 24-bit, the router's format S24."""

EXPONENT_BIAS = 134
"""A bfloat16 number is ``mantissa * 2^(exponent field - 134)``: bias 127 and 7 fraction bits."""


def to_bfloat16(scales: Tensor) -> Tensor:
    """Scales as the requantiser takes them: float32 → bfloat16, the same numbers.

    Raises
    ------
    InputError
        If a scale is not a bfloat16 number of at least 0, naming the first.
    """
    rounded = scales.bfloat16()
    legal = (rounded.float() == scales) & rounded.isfinite() & (scales >= 0)
    if not legal.all():
        row = int((~legal).nonzero()[0])
        raise InputError(
            f"the scale of row {row} is {scales[row].item()}, no bfloat16 number of at least 0; "
            "compare such rows on the host"
        )
    return rounded


def split_scales(scales: Tensor) -> tuple[Tensor, Tensor]:
    """Mantissas, 0 to 255, and exponent fields, 1 to 254, of bfloat16 scales: two int64 [rows].

    A subnormal scale has the least field and no leading one.
    """
    bits = scales.view(torch.int16).long()
    field = bits >> 7
    return (bits & 0x7F) | (field > 0).long() << 7, field.clamp(min=1)


def product_exponent(bound: float, scales: Tensor) -> int:
    """The finest exponent of a product whose sums times their scales do not pass ``bound``.

    No key is then clipped, and no scale needs a shift to the left.
    """
    finest = int(split_scales(scales)[1].max())
    fraction, power = math.frexp(bound / MAXIMUM_KEY)
    return max(finest, EXPONENT_BIAS + power - (fraction == 0.5))
