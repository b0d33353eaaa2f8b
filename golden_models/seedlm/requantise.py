"""Sums of different rows made comparable: the integers through which a product's results reach the token router.

A result counts units of its row's scale, so two rows compare only after each is multiplied by its
scale. Scaled formats keep that scale as a bfloat16 number, 8 bits times a power of two, and

``key = floor(sum * mantissa / 2^shift + 1/2)``, clipped to 24 signed bits,

with ``shift = exponent - the scale's exponent field``. One ``exponent`` serves a whole product, so
``key`` counts units of ``2^(exponent - 134)`` times the vector's scale, the same for all rows.
Rounding is monotone: keys never turn an order around, they can only make equals.
"""

import torch
from torch import Tensor

from formats.errors import InputError
from formats.row_scales import MAXIMUM_KEY, split_scales


def requantise(sums: Tensor, scales: Tensor, exponent: int) -> Tensor:
    """Keys of a product's results: int64 [rows], bfloat16 [rows] → int64 [rows], 24 signed bits.

    Python's integers, as a product may take 72 bits.

    Raises
    ------
    InputError
        If the exponent is below a scale's own.
    """
    mantissas, fields = split_scales(scales)
    if exponent < int(fields.max()):
        raise InputError(f"the product's exponent {exponent} is below the greatest of its scales, {int(fields.max())}")
    keys = []
    for total, mantissa, shift in zip(sums.tolist(), mantissas.tolist(), (exponent - fields).tolist(), strict=True):
        rounded = ((2 * total * mantissa >> shift) + 1) >> 1  # halves up
        keys.append(min(max(rounded, -MAXIMUM_KEY - 1), MAXIMUM_KEY))
    return torch.tensor(keys, dtype=torch.int64)
