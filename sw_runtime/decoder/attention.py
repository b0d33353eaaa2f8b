"""Attention of the emulated decoder over a cache of integers: every head of every token has an exponent of its own."""

import numpy as np
from numpy.typing import NDArray

from formats.decoder.tables import ACTIVATION_BITS, FACTOR_BITS, MANTISSA_BITS, SCORE_FRACTION_BITS
from sw_runtime.decoder.functions import negative_power, reciprocal
from sw_runtime.decoder.vectors import Integers, Vector, shifted

FEW_POSITIONS = 64
"""Room that a cache begins with; it doubles when it is used up."""


class Cached:
    """Keys or values of one layer, [tokens, heads, d] of 7 or 15 magnitude bits, kept as attention reads them.

    Parameters
    ----------
    heads, width
        Heads, and elements of each.
    """

    def __init__(self, heads: int, width: int) -> None:
        self._mantissas = np.zeros((heads, FEW_POSITIONS, width))
        self._exponents = np.zeros((heads, FEW_POSITIONS), dtype=np.int64)

    def write(self, position: int, parts: Vector) -> None:
        """Keep tokens' parts, [T, heads, d], from a position on."""
        end = position + len(parts.mantissas)
        while end > self._mantissas.shape[1]:
            more = self._mantissas.shape[1]
            self._mantissas = np.pad(self._mantissas, ((0, 0), (0, more), (0, 0)))
            self._exponents = np.pad(self._exponents, ((0, 0), (0, more)))
        self._mantissas[:, position:end] = parts.mantissas.swapaxes(0, 1)
        self._exponents[:, position:end] = parts.exponent[..., 0].T

    def read(self, first: int, end: int) -> tuple[NDArray[np.float64], Integers]:
        """Positions ``first`` to ``end - 1``: integers as float64 [heads, S, d], exponents [heads, S]."""
        return self._mantissas[:, first:end], self._exponents[:, first:end]


def attend(queries: Vector, keys: Cached, values: Cached, position: int, window: int | None) -> Vector:
    """Softmax attention of tokens that follow each other; neighbouring query heads share a key and value head.

    Parameters
    ----------
    queries
        [T, heads, d], scaled so that a score counts powers of two.
    keys, values
        Caches that hold the tokens' own, too.
    position
        Of the first token.
    window
        Last positions that are seen, the token's own included; None for all.

    Returns
    -------
    [T, heads, d], an exponent a head.
    """
    tokens, heads, width = queries.mantissas.shape
    first, end = 0 if window is None else max(0, position + 1 - window), position + tokens
    key_parts, key_exponents = keys.read(first, end)
    value_parts, value_exponents = values.read(first, end)
    kv_heads = len(key_parts)
    hidden = _hidden(position, tokens, first, end, window)
    asked = queries.to_bits(ACTIVATION_BITS)
    by_head = asked.mantissas.swapaxes(0, 1).reshape(kv_heads, -1, width)
    # 15 · 15 bits · d ≤ 2^10: below 2^40, exact in float64
    dots = (by_head @ key_parts.swapaxes(1, 2)).astype(np.int64).reshape(kv_heads, -1, tokens, end - first)
    query_exponents = asked.exponent.swapaxes(0, 1).reshape(kv_heads, -1, tokens, 1)
    scores = shifted(dots, -(query_exponents + key_exponents[:, None, None]) - SCORE_FRACTION_BITS)
    largest = np.where(hidden, -(1 << MANTISSA_BITS), scores).max(axis=-1, keepdims=True)
    shares = np.where(hidden, 0, negative_power(np.maximum(largest - scores, 0)))
    # shares of values that are small against the largest lose bits that their products would not show
    exponents = value_exponents[:, None, None]
    exponent = np.where(hidden, exponents.min(), exponents).max(axis=-1, keepdims=True)
    aligned = shifted(shares, exponent - exponents).reshape(kv_heads, -1, end - first)
    # 17 · 15 bits · S ≤ 2^16 positions: below 2^49
    sums = (aligned.astype(np.float64) @ value_parts).astype(np.int64).reshape(kv_heads, -1, tokens, width)
    factor, factor_exponent = reciprocal(shares.sum(axis=-1, keepdims=True))
    total = Vector.of(sums, exponent).to_bits(MANTISSA_BITS)
    mantissas = shifted(total.mantissas * factor, FACTOR_BITS).reshape(heads, tokens, width)
    mean_exponent = (total.exponent + factor_exponent + FACTOR_BITS).reshape(heads, tokens, 1)
    mean = Vector.of(mantissas, mean_exponent)
    return Vector(mean.mantissas.swapaxes(0, 1), mean.exponent.swapaxes(0, 1))


def _hidden(position: int, tokens: int, first: int, end: int, window: int | None) -> NDArray[np.bool_]:
    """Positions that a token does not see: [T, S]."""
    distance = np.arange(position, position + tokens)[:, None] - np.arange(first, end)
    return (distance < 0) | (distance >= (window or end + 1))
