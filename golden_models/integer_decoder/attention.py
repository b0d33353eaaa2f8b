"""Attention over a cache of integers: every head of every token has an exponent of its own.

Two passes. The first finds a score for every position and the largest of them; the second adds up values. Shares
are powers of two, so the scores' largest is subtracted and nothing else is done to them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from formats.decoder.tables import ACTIVATION_BITS, FACTOR_BITS, MANTISSA_BITS, SCORE_FRACTION_BITS
from golden_models.integer_decoder.functions import negative_power, reciprocal
from golden_models.integer_decoder.vectors import Vector, shifted


@dataclass(frozen=True)
class Cache:
    """Keys and values of one layer, [tokens, heads, d] each, 7 or 15 magnitude bits."""

    keys: Vector
    values: Vector

    def then(self, later: "Cache") -> "Cache":
        """These followed by others."""
        return Cache(_joined(self.keys, later.keys), _joined(self.values, later.values))


def _joined(first: Vector, second: Vector) -> Vector:
    mantissas = torch.cat([first.mantissas, second.mantissas])
    return Vector(mantissas, torch.cat([first.exponent, second.exponent]))


def attend(queries: Vector, cache: Cache, mask: Tensor) -> Vector:
    """Softmax attention; several query heads may share one key and value head.

    Parameters
    ----------
    queries
        [T, heads, d], scaled so that a score counts powers of two.
    cache
        Of S positions.
    mask
        bool [T, S], true where a token may see a position; every token sees one.

    Returns
    -------
    [T, heads, d], an exponent a head.
    """
    asked = queries.to_bits(ACTIVATION_BITS)
    shared = asked.mantissas.shape[-2] // cache.keys.mantissas.shape[-2]
    keys, values = (_by_head(x, shared) for x in (cache.keys, cache.values))
    # 15 · 15 bits · d ≤ 2^10: below 2^40, exact in float64
    dots = (asked.mantissas.transpose(0, 1).double() @ keys.mantissas.transpose(1, 2).double()).long()
    score_exponents = asked.exponent.transpose(0, 1) + keys.exponent.transpose(1, 2)
    scores = shifted(dots, -score_exponents - SCORE_FRACTION_BITS)
    largest = scores.masked_fill(~mask, -(1 << MANTISSA_BITS)).amax(dim=-1, keepdim=True)
    shares = negative_power((largest - scores).clamp(min=0)).masked_fill(~mask, 0)
    # shares of values that are small against the largest lose bits that their products would not show
    exponents = values.exponent.transpose(1, 2)
    exponent = torch.where(mask, exponents, exponents.amin()).amax(dim=-1, keepdim=True)
    aligned = shifted(shares, exponent - exponents)
    # 17 · 15 bits · S ≤ 2^16 positions: below 2^49
    sums = (aligned.double() @ values.mantissas.double()).long()
    factor, factor_exponent = reciprocal(shares.sum(dim=-1, keepdim=True))
    total = Vector.of(sums, exponent).to_bits(MANTISSA_BITS)
    mean = Vector.of(shifted(total.mantissas * factor, FACTOR_BITS), total.exponent + factor_exponent + FACTOR_BITS)
    return Vector(mean.mantissas.transpose(0, 1), mean.exponent.transpose(0, 1))


def _by_head(x: Vector, shared: int) -> Vector:
    """[S, kv_heads, d] → [heads, S, d]."""
    mantissas, exponent = (part.transpose(0, 1).repeat_interleave(shared, dim=0) for part in (x.mantissas, x.exponent))
    return Vector(mantissas, exponent)
