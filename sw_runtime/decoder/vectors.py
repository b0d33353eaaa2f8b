"""Vectors of integers that share a power of two, as the emulated decoder computes with them.

Arrays are int64 whatever the hardware's width; leading dimensions are tokens and heads.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats.decoder.program import Constant
from formats.decoder.tables import MANTISSA_BITS, ZERO_EXPONENT

Integers = NDArray[np.int64]

MOST_PLACES = 62
"""A shift that leaves nothing of 61 bits."""


def shifted(values: Integers, right: Integers | int, bits: int = MANTISSA_BITS) -> Integers:
    """``values / 2^right``, halves up, clipped to ``±(2^bits - 1)``.

    Parameters
    ----------
    values
        Magnitudes below 2^61.
    right
        Places; below 0 to the left. Broadcasts.
    bits
        Magnitude bits of the result.
    """
    places, limit = np.asarray(right), (1 << bits) - 1
    down = np.minimum(np.maximum(places, 0), MOST_PLACES)
    rounded = values + (np.int64(1) << down >> 1) >> down
    if places.min() < 0:
        up = np.minimum(np.maximum(-places, 0), bits)
        room = np.int64(1) << bits >> up  # more is clipped, before it leaves 64 bits
        rounded = np.maximum(np.minimum(rounded, room), -room) << up
    clipped: Integers = np.maximum(np.minimum(rounded, limit), -limit)
    return clipped


def bit_length(numbers: Integers) -> Integers:
    """Bits of integers from 0 to 2^53 - 1."""
    return np.frexp(numbers.astype(np.float64))[1].astype(np.int64)


@dataclass(frozen=True)
class Vector:
    """``mantissas * 2^exponent``: mantissas [..., n], exponent [..., 1]."""

    mantissas: Integers
    exponent: Integers

    @classmethod
    def of(cls, mantissas: Integers, exponent: Integers | int) -> "Vector":
        """A vector; one of zeros gets the exponent that never matters."""
        some = mantissas.any(axis=-1, keepdims=True)
        return cls(mantissas, np.where(some, exponent, ZERO_EXPONENT))

    @classmethod
    def constant(cls, constant: Constant) -> "Vector":
        """What a command brings along: [n]."""
        return cls.of(np.array(constant.mantissas, dtype=np.int64), constant.exponent)

    @classmethod
    def from_real(cls, values: NDArray[Any]) -> "Vector":
        """The host's border: real [..., n], 31 bits of the largest kept."""
        real = values.astype(np.float64)
        exponent = np.frexp(np.abs(real).max(axis=-1, keepdims=True))[1].astype(np.int64) - MANTISSA_BITS
        limit = (1 << MANTISSA_BITS) - 1
        return cls.of(np.ldexp(real, -exponent).round().astype(np.int64).clip(-limit, limit), exponent)

    @property
    def bits(self) -> Integers:
        """Magnitude bits of the largest mantissa: [..., 1]."""
        return bit_length(np.abs(self.mantissas).max(axis=-1, keepdims=True))

    def to_bits(self, bits: int) -> "Vector":
        """The same, the largest mantissa brought to so many magnitude bits."""
        places = self.bits - bits
        return Vector.of(shifted(self.mantissas, places, bits), self.exponent + places)

    def split(self, heads: int) -> "Vector":
        """[..., heads·d] → [..., heads, d]."""
        mantissas = self.mantissas.reshape(*self.mantissas.shape[:-1], heads, -1)
        return Vector.of(mantissas, self.exponent[..., None])

    def merged(self) -> "Vector":
        """[..., heads, d] → [..., heads·d], at the least exponent that holds every head."""
        exponent = (self.exponent + self.bits).max(axis=-2, keepdims=True) - MANTISSA_BITS
        mantissas = shifted(self.mantissas, exponent - self.exponent)
        return Vector.of(mantissas.reshape(*mantissas.shape[:-2], -1), exponent[..., 0])

    def last(self, tokens: int) -> "Vector":
        """Those of the last tokens, at least one: [T, n] → [tokens, n]."""
        return Vector(self.mantissas[-tokens:], self.exponent[-tokens:])
