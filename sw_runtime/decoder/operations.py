"""A decoder's operations between two products, for the emulated decoder; ``docs/decoder.md`` has the bounds."""

import numpy as np

from formats.decoder.program import Constant
from formats.decoder.tables import FACTOR_BITS, MANTISSA_BITS, ROTARY_BITS, SQUARE_BITS, WEIGHT_BITS
from sw_runtime.decoder.functions import gate_factor, reciprocal_root
from sw_runtime.decoder.vectors import Integers, Vector, shifted

EPS_PLACES = 24
"""Places by which ε may move up."""

SUM_BITS = 51
"""Magnitude bits of a sum of squares and ε."""


def rms_norm(x: Vector, weight: Constant, eps: Constant) -> Vector:
    """x / √(Σx² + eps) · weight, where eps and weight hold the number of elements: [..., n]."""
    small = x.to_bits(SQUARE_BITS)
    squares = np.square(small.mantissas).sum(axis=-1, keepdims=True)
    exponent = np.maximum(2 * small.exponent, eps.exponent - EPS_PLACES)
    least = np.array(eps.mantissas, dtype=np.int64)
    total = shifted(squares, exponent - 2 * small.exponent, SUM_BITS) + shifted(
        least, exponent - eps.exponent, SUM_BITS
    )
    factor, factor_exponent = reciprocal_root(np.maximum(total, 1), exponent)
    full = x.to_bits(MANTISSA_BITS)
    normed = shifted(full.mantissas * factor, FACTOR_BITS)
    weighted = shifted(normed * np.array(weight.mantissas, dtype=np.int64), WEIGHT_BITS)
    return Vector.of(weighted, full.exponent + factor_exponent + FACTOR_BITS + weight.exponent + WEIGHT_BITS)


def add(x: Vector, y: Vector) -> Vector:
    """x + y: [..., n], both at 30 bits of the larger one's range."""
    exponent = np.maximum(x.exponent + x.bits, y.exponent + y.bits) - (MANTISSA_BITS - 1)
    first, second = (shifted(v.mantissas, exponent - v.exponent, MANTISSA_BITS - 1) for v in (x, y))
    return Vector.of(first + second, exponent)


def scale(x: Vector, factor: Constant) -> Vector:
    """x times a number of 17 bits: [..., n]."""
    products = shifted(x.mantissas * factor.mantissas[0], FACTOR_BITS)
    return Vector.of(products, x.exponent + factor.exponent + FACTOR_BITS)


def rotate(x: Vector, cos: Integers, sin: Integers) -> Vector:
    """Turn the pairs (x_i, x_{i+d/2}): [..., d], cosines and sines [..., d/2]."""
    full = x.to_bits(MANTISSA_BITS - 1)
    first, second = np.split(full.mantissas, 2, axis=-1)
    turned = np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return Vector.of(shifted(turned, ROTARY_BITS), full.exponent)


def gate(x: Vector, up: Vector, activation: str) -> Vector:
    """activation(x) · up: [..., n]; the second factor is rounded to 17 bits of its largest."""
    active = shifted(x.mantissas * gate_factor(x, activation), FACTOR_BITS)
    full, factor = Vector.of(active, x.exponent).to_bits(MANTISSA_BITS), up.to_bits(FACTOR_BITS)
    products = shifted(full.mantissas * factor.mantissas, FACTOR_BITS)
    return Vector.of(products, full.exponent + factor.exponent + FACTOR_BITS)
