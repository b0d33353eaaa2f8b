"""Widths of a decoder's integers, and the functions that hardware reads from tables.

A function is given by its values at equal steps, ``2^17`` being 1; between two of them it is a straight line. A value
of 1 itself is one unit less, so that all fit 18 signed bits: one multiplier and one block RAM are enough for each.
``golden_models/integer_decoder`` says how they are used.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

MANTISSA_BITS = 31
"""Magnitude bits of a vector's elements: with the sign, a word of 32."""

ACTIVATION_BITS = 15
"""Magnitude bits of what the engine multiplies by weights."""

SQUARE_BITS = 17
"""Magnitude bits of what an RMSNorm squares."""

FACTOR_BITS = 17
"""Magnitude bits of the second factor of a multiplication of 32 by 18 bits; 1 in the tables is ``2^17``."""

LARGEST_FACTOR = (1 << FACTOR_BITS) - 1

WEIGHT_BITS = 15
"""Magnitude bits of an RMSNorm's weights."""

ROTARY_BITS = 14
"""Fraction bits of the cosines and sines of rotary embeddings."""

SCORE_FRACTION_BITS = 16
"""Fraction bits of attention scores, which count powers of two."""

PROBABILITY_BITS = 17
"""Fraction bits of a position's share in attention before the shares are divided by their sum."""

KEY_BITS = 23
"""Magnitude bits of logits, as the token router compares them."""

ZERO_EXPONENT = -1024
"""Exponent of a vector of zeros: it never decides another vector's. Exponents are signed, 12 bits."""


@dataclass(frozen=True)
class Table:
    """A function between 0 and 1 at equal steps.

    Parameters
    ----------
    values
        At the ends of the intervals, one more than there are intervals; ``2^17`` is 1.
    fraction_bits
        Bits of an argument below its interval's number.
    """

    values: tuple[int, ...]
    fraction_bits: int

    @property
    def end(self) -> int:
        """The first argument behind the table."""
        return (len(self.values) - 1) << self.fraction_bits


def _table(function: Callable[[float], float], intervals: int, step: float, fraction_bits: int) -> Table:
    values = (round(function(step * i) * (1 << FACTOR_BITS)) for i in range(intervals + 1))
    return Table(tuple(min(value, LARGEST_FACTOR) for value in values), fraction_bits)


NORMAL_BITS = 24
"""Fraction bits of an argument between 1 and 4 (roots) or 1 and 2 (reciprocals)."""

RECIPROCAL_ROOT = _table(lambda x: (1 + x) ** -0.5, 384, 2**-7, NORMAL_BITS - 7)
"""1/√(1 + x) for x below 3, relative error below 1.6e-5: half a unit of a value and of the line, and the curve."""

RECIPROCAL = _table(lambda x: 1 / (1 + x), 256, 2**-8, NORMAL_BITS - 8)
"""1/(1 + x) for x below 1, relative error below 1.7e-5."""

POWER = _table(lambda x: 2**-x, 256, 2**-8, SCORE_FRACTION_BITS - 8)
"""2^-x for x below 1, relative error below 1.6e-5."""

GATE_FRACTION_BITS = 17
"""Fraction bits of a gate's argument."""


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _gate(share: Callable[[float], float]) -> Table:
    return _table(share, 512, 2**-5, GATE_FRACTION_BITS - 5)


GATES = {
    "silu": _gate(_sigmoid),
    "gelu": _gate(lambda x: (1 + math.erf(x / math.sqrt(2))) / 2),
    "gelu_pytorch_tanh": _gate(lambda x: _sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x**3))),
}
"""Activation functions by their names in transformers: φ for x of 0 to 16, where the function is x·φ(x).

φ(-x) = 1 - φ(x) for all of them, 1 being the largest factor. Error below 2^-15 of SiLU's, and 2^-14 of GELU's, which
bend more.
"""
