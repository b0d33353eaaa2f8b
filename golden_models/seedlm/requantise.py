"""Sums of different rows made comparable: the integers through which a product's results reach the token router.

A result counts units of its row's scale, so two rows compare only after each is multiplied by its
scale. Scaled formats keep that scale as a bfloat16 number, 8 bits times a power of two, and

``key = floor(sum * mantissa / 2^shift + 1/2)``, clipped to 24 signed bits,

with ``shift = exponent - the scale's exponent field``. One ``exponent`` serves a whole product, so
``key`` counts units of ``2^(exponent - 134)`` times the vector's scale, the same for all rows.
Rounding is monotone: keys never turn an order around, they can only make equals.
"""

import math

import torch
from torch import Tensor

from formats.matrices import EncodedMatrix, Fp16Matrix, Matrix
from golden_models.seedlm.datapath import weight_scales

MAXIMUM_KEY = (1 << 23) - 1
"""Keys are signed 24-bit, the router's format S24."""

EXPONENT_BIAS = 134
"""A bfloat16 number is ``mantissa * 2^(exponent field - 134)``: bias 127 and 7 fraction bits."""


def comparing_scales(matrix: Matrix) -> Tensor:
    """What makes a matrix's rows comparable: float32 [rows].

    The rows' scales, where each has its own. Rows that share one scale compare as they are: ones.
    """
    one_scale = isinstance(matrix, Fp16Matrix) or (
        isinstance(matrix, EncodedMatrix) and matrix.block_format.exponent_bits > 0
    )
    return torch.ones(matrix.rows) if one_scale else weight_scales(matrix)


def to_bfloat16(scales: Tensor) -> Tensor:
    """Scales as the requantiser takes them: float32 → bfloat16, the same numbers.

    Raises
    ------
    ValueError
        If a scale is not a bfloat16 number of at least 0, naming the first.
    """
    rounded = scales.bfloat16()
    legal = (rounded.float() == scales) & rounded.isfinite() & (scales >= 0)
    if not legal.all():
        row = int((~legal).nonzero()[0])
        raise ValueError(
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


def requantise(sums: Tensor, scales: Tensor, exponent: int) -> Tensor:
    """Keys of a product's results: int64 [rows], bfloat16 [rows] → int64 [rows], 24 signed bits.

    Python's integers, as a product may take 72 bits.

    Raises
    ------
    ValueError
        If the exponent is below a scale's own.
    """
    mantissas, fields = split_scales(scales)
    if exponent < int(fields.max()):
        raise ValueError(f"the product's exponent {exponent} is below the greatest of its scales, {int(fields.max())}")
    keys = []
    for total, mantissa, shift in zip(sums.tolist(), mantissas.tolist(), (exponent - fields).tolist(), strict=True):
        rounded = ((2 * total * mantissa >> shift) + 1) >> 1  # halves up
        keys.append(min(max(rounded, -MAXIMUM_KEY - 1), MAXIMUM_KEY))
    return torch.tensor(keys, dtype=torch.int64)
