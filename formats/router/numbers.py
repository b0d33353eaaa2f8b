"""From real numbers to integers: the only place of the router where floats exist.

Softmax, means and products stay in floating point on the host. What the router compares are
integers in one of these formats; thresholds are rounded by the direction of their comparison, so
that comparing integers equals comparing the real numbers they stand for.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from formats.errors import InputError
from formats.router.descriptor import KEY_BITS, KeyFormat

Comparison = Literal[">", ">=", "<", "<="]


def quantise(
    values: Tensor, fraction_bits: int, low: int, high: int, nan: Literal["raise", "lowest"] = "raise"
) -> Tensor:
    """``values * 2^fraction_bits`` rounded half to even and clamped to ``low`` … ``high``.

    Any float dtype and shape → int64 of that shape. Infinities saturate.

    Raises
    ------
    InputError
        If a value is NaN, unless ``nan="lowest"`` makes it ``low``; or ``nan`` is neither.
    """
    if nan not in ("raise", "lowest"):
        raise InputError(f"nan must be 'raise' or 'lowest', not {nan!r}")
    missing = values.isnan()
    if nan == "raise" and missing.any():
        raise InputError(f"{int(missing.sum())} of {values.numel()} values are NaN; nan='lowest' ranks them last")
    scaled = (values.double() * 2.0**fraction_bits).round()
    return torch.where(missing, float(low), scaled).clamp(low, high).long()


@dataclass(frozen=True)
class NumberFormat:
    """A fixed-point format of the router.

    Parameters
    ----------
    fraction_bits
        Bits after the binary point, F.
    low, high
        Least and greatest integer.
    key_format
        How the integer becomes a key.
    """

    fraction_bits: int
    low: int
    high: int
    key_format: KeyFormat

    def quantise(self, values: Tensor, nan: Literal["raise", "lowest"] = "raise") -> Tensor:
        """Round to this format's integers: any float dtype and shape → int64; see ``quantise``."""
        return quantise(values, self.fraction_bits, self.low, self.high, nan)


UQ0_16 = NumberFormat(16, 0, (1 << 16) - 1, KeyFormat.U16)
"""A head's attention probabilities."""

UQ0_24 = NumberFormat(24, 0, (1 << 24) - 1, KeyFormat.U24)
"""Probabilities of speculative acceptance: u, q, p."""

SQ7_16 = NumberFormat(16, -(1 << 23), (1 << 23) - 1, KeyFormat.S24)
"""Logits and log-likelihoods, 24 bits."""

SQ7_8 = NumberFormat(8, -(1 << 15), (1 << 15) - 1, KeyFormat.S16)
"""Logits, 16 bits."""

COUNT = NumberFormat(0, 0, (1 << 24) - 1, KeyFormat.U24)
"""Counts, which saturate."""


def encode(values: Tensor | int, key_format: KeyFormat) -> Tensor:
    """Order-preserving unsigned 24-bit keys: integers (or their two's complement bits) → int64, same shape."""
    bits = 16 if key_format in (KeyFormat.U16, KeyFormat.S16) else KEY_BITS
    keys = torch.as_tensor(values) & ((1 << bits) - 1)
    return keys ^ (1 << bits - 1) if key_format in (KeyFormat.S16, KeyFormat.S24) else keys


class Threshold(NamedTuple):
    """A bound on keys: the key, and whether that key itself passes (closed)."""

    key: int
    closed: bool


def threshold(value: float | Fraction, comparison: Comparison, number_format: NumberFormat) -> Threshold:
    """The bound on keys that equals ``x comparison value`` for every x of the format.

    ``>`` and ``<=`` round the value down, ``>=`` and ``<`` round it up. A bound outside the format
    passes every key (the extreme key, closed) or none (the extreme key, open).

    Raises
    ------
    InputError
        If the value is NaN or the comparison is none of the four.
    """
    if comparison not in (">", ">=", "<", "<="):
        raise InputError(f"comparison must be '>', '>=', '<' or '<=', not {comparison!r}")
    if isinstance(value, float) and math.isnan(value):
        raise InputError("a threshold must be a number or an infinity, not NaN")
    low, high = number_format.low, number_format.high
    bound, closed = _round(value, number_format, up=comparison in (">=", "<")), comparison in (">=", "<=")
    if bound < low:
        bound, closed = low, comparison in (">", ">=")
    elif bound > high:
        bound, closed = high, comparison in ("<", "<=")
    return Threshold(int(encode(bound, number_format.key_format)), closed)


def _round(value: float | Fraction, number_format: NumberFormat, up: bool) -> int:
    """``value * 2^F`` rounded down or up exactly; infinities land one outside the format."""
    if isinstance(value, float) and math.isinf(value):
        return number_format.high + 1 if value > 0 else number_format.low - 1
    scaled = Fraction(value) * (1 << number_format.fraction_bits)
    return math.ceil(scaled) if up else math.floor(scaled)


def logit(probability: float) -> float:
    """``ln(p / (1 - p))``: a threshold on a sigmoid as a threshold on its logit, infinite at 0 and 1.

    Raises
    ------
    InputError
        If the probability is not 0 to 1.
    """
    if not 0 <= probability <= 1:
        raise InputError(f"a probability must be 0 to 1, not {probability!r}")
    if probability in (0, 1):
        return math.inf if probability else -math.inf
    return math.log(probability / (1 - probability))
