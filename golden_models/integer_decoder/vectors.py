"""Vectors of integers that share a power of two, and the one way in which bits are dropped.

Tensors are int64 whatever the hardware's width; leading dimensions are tokens and heads.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from formats.decoder.program import Constant
from formats.decoder.tables import MANTISSA_BITS, ZERO_EXPONENT


def shifted(values: Tensor, right: Tensor | int, bits: int = MANTISSA_BITS) -> Tensor:
    """``values / 2^right``, halves up, clipped to ``±(2^bits - 1)``: the only rounding there is.

    Parameters
    ----------
    values
        int64, magnitudes below 2^61.
    right
        Places; below 0 to the left. Broadcasts.
    bits
        Magnitude bits of the result.
    """
    places = torch.as_tensor(right)
    down, up = places.clamp(0, 62), (-places).clamp(0, bits)
    rounded = values + (1 << down >> 1) >> down
    room = 1 << bits >> up  # more is clipped, before it leaves 64 bits
    limit = (1 << bits) - 1
    return (torch.maximum(torch.minimum(rounded, room), -room) << up).clamp(-limit, limit)


@dataclass(frozen=True)
class Vector:
    """``mantissas * 2^exponent``.

    Parameters
    ----------
    mantissas
        int64 [..., n], 31 magnitude bits where a memory holds it.
    exponent
        int64 [..., 1].
    """

    mantissas: Tensor
    exponent: Tensor

    @classmethod
    def of(cls, mantissas: Tensor, exponent: Tensor | int) -> "Vector":
        """A vector; one of zeros gets the exponent that never matters."""
        zero = (mantissas == 0).all(dim=-1, keepdim=True)
        return cls(mantissas, torch.where(zero, ZERO_EXPONENT, torch.as_tensor(exponent)))

    @classmethod
    def constant(cls, constant: Constant) -> "Vector":
        """What a command brings along: [n]."""
        return cls.of(torch.tensor(constant.mantissas), constant.exponent)

    @classmethod
    def from_real(cls, values: Tensor) -> "Vector":
        """The host's border: real [..., n], 31 bits of the largest kept; float64 holds float32 and bfloat16 as is."""
        _, power = torch.frexp(values.double().abs().amax(dim=-1, keepdim=True))
        exponent = power.long() - MANTISSA_BITS
        limit = (1 << MANTISSA_BITS) - 1
        return cls.of(torch.ldexp(values.double(), -exponent).round().long().clamp(-limit, limit), exponent)

    def real(self) -> Tensor:
        """What it stands for: float64 [..., n]."""
        return torch.ldexp(self.mantissas.double(), self.exponent)

    @property
    def bits(self) -> Tensor:
        """Magnitude bits of the largest mantissa: int64 [..., 1]. Hardware notes them while it writes the vector."""
        return torch.frexp(self.mantissas.abs().amax(dim=-1, keepdim=True).double()).exponent.long()

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
        exponent = (self.exponent + self.bits).amax(dim=-2, keepdim=True) - MANTISSA_BITS
        return Vector.of(shifted(self.mantissas, exponent - self.exponent).flatten(-2), exponent[..., 0])
