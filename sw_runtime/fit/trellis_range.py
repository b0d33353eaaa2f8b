"""Row scales of the trellis formats: the rule of ``row_range`` with the reach of the trellis code.

The table is fitted to rows of a root mean square of 26 and reaches 127 of those units, so that a row's
scale is its root mean square over 26, or a multiple of that where clipping would cost more.
"""

from torch import Tensor

from formats.errors import InputError
from formats.trellis import TrellisFormat
from sw_runtime.fit.row_range import paying_multiples

DESIGN_RMS = 26.0
"""Root mean square, in integers, of the rows that the table is fitted to."""

ORDINARY_ERROR = {2.0: 0.265, 2.5: 0.1875, 3.0: 0.134, 3.5: 0.0958, 4.0: 0.0695}
"""Relative error on Gaussian rows by bits a weight."""


def scales(
    weights: Tensor, trellis_format: TrellisFormat, powers: list[Tensor], rounded: Tensor | None = None
) -> Tensor:
    """Scales of a matrix, rounded to bfloat16: float32 [rows].

    A row's root mean square over ``DESIGN_RMS``, times its multiple by ``row_range.paying_multiples``.

    Parameters
    ----------
    weights
        [rows, columns], any float dtype.
    powers
        Mean squares of the inputs, each [columns].
    rounded
        What a rounding error in each column costs where columns answer each other's errors, [columns];
        the powers themselves when not given.

    Raises
    ------
    InputError
        If the format's rate has no known error.
    """
    if trellis_format.bits_per_weight not in ORDINARY_ERROR:
        raise InputError(
            f"{trellis_format.name} has {trellis_format.bits_per_weight} bits a weight; rates of known "
            f"error are {', '.join(map(str, ORDINARY_ERROR))}"
        )
    error = ORDINARY_ERROR[trellis_format.bits_per_weight] ** 2
    reach = trellis_format.maximum_weight / DESIGN_RMS
    chosen, rms = paying_multiples(weights, error, reach, powers, rounded)
    return (chosen * rms / DESIGN_RMS).bfloat16().float()
