"""A decoder's operations between two products, each with its widths. ``golden_models/layers.py`` has them in floats.

Every multiplication but the engine's is one of 32 × 18 signed bits; sums stay below 2^62.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from formats.decoder.program import Constant
from formats.decoder.tables import (
    ACTIVATION_BITS,
    FACTOR_BITS,
    KEY_BITS,
    MANTISSA_BITS,
    ROTARY_BITS,
    SQUARE_BITS,
    WEIGHT_BITS,
)
from formats.row_scales import EXPONENT_BIAS, split_scales
from golden_models.integer_decoder.functions import gate_factor, reciprocal_root
from golden_models.integer_decoder.vectors import Vector, shifted


@dataclass(frozen=True)
class IntegerMatrix:
    """A matrix as the engine multiplies by it.

    Parameters
    ----------
    integers
        [rows, columns] of a signed dtype, 16 bits at most.
    scales
        bfloat16 [rows], at least 0.
    """

    integers: Tensor
    scales: Tensor


def scaled_sums(x: Vector, matrix: IntegerMatrix) -> tuple[Tensor, Tensor]:
    """Exact sums times their rows' 8-bit mantissas, and the exponent of each row: int64 [..., rows], [rows].

    A weight has 15 magnitude bits at most, an activation 15, a row 2^16 columns: sums stay below 2^46, so
    float64 adds them exactly in any order.
    """
    sums = (x.mantissas.double() @ matrix.integers.double().T).long()
    mantissas, fields = split_scales(matrix.scales)
    return sums * mantissas, fields - EXPONENT_BIAS


def multiply(x: Vector, matrix: IntegerMatrix, exponent: int) -> Vector:
    """``matrix @ x``: [..., columns] → [..., rows], the vector rounded to 15 bits.

    The exponent counts from the rounded vector's. It is chosen with the rows, so the shift of a row is the same for
    every vector, and no result is clipped.
    """
    rounded = x.to_bits(ACTIVATION_BITS)
    products, row_exponents = scaled_sums(rounded, matrix)
    return Vector.of(shifted(products, exponent - row_exponents), rounded.exponent + exponent)


def answer(x: Vector, matrix: IntegerMatrix, exponent: int) -> Tensor:
    """Logits as keys, 23 bits at a fixed exponent: [..., columns] → int64 [..., rows]."""
    rounded = x.to_bits(ACTIVATION_BITS)
    products, row_exponents = scaled_sums(rounded, matrix)
    return shifted(products, exponent - row_exponents - rounded.exponent, KEY_BITS)


def rms_norm(x: Vector, weight: Constant, eps: Constant) -> Vector:
    """x / √(Σx² + eps) · weight, where eps and weight hold the number of elements: [..., n], n ≤ 2^16.

    The squares have 34 bits, their sum 50; ε has 24 and moves up by 24 at most. Squares of rounded elements change
    the root by less than √n·2^-17 of it; the table by 1.6e-5.
    """
    small = x.to_bits(SQUARE_BITS)
    squares = small.mantissas.square().sum(dim=-1, keepdim=True)
    exponent = (2 * small.exponent).clamp(min=eps.exponent - 24)
    least = torch.tensor(eps.mantissas)
    total = shifted(squares, exponent - 2 * small.exponent, 51) + shifted(least, exponent - eps.exponent, 51)
    factor, factor_exponent = reciprocal_root(total.clamp(min=1), exponent)
    full = x.to_bits(MANTISSA_BITS)
    normed = shifted(full.mantissas * factor, FACTOR_BITS)
    weighted = shifted(normed * torch.tensor(weight.mantissas), WEIGHT_BITS)
    return Vector.of(weighted, full.exponent + factor_exponent + FACTOR_BITS + weight.exponent + WEIGHT_BITS)


def add(x: Vector, y: Vector) -> Vector:
    """x + y: [..., n]. Both keep 30 bits of the larger one's range, so that the sum has one to grow into."""
    exponent = torch.maximum(x.exponent + x.bits, y.exponent + y.bits) - (MANTISSA_BITS - 1)
    total = sum(shifted(v.mantissas, exponent - v.exponent, MANTISSA_BITS - 1) for v in (x, y))
    return Vector.of(torch.as_tensor(total), exponent)


def scale(x: Vector, factor: Constant) -> Vector:
    """x times a number of 17 bits: [..., n]."""
    products = x.mantissas * factor.mantissas[0]
    return Vector.of(shifted(products, FACTOR_BITS), x.exponent + factor.exponent + FACTOR_BITS)


def rotate(x: Vector, cos: Tensor, sin: Tensor) -> Vector:
    """Turn the pairs (x_i, x_{i+d/2}): [..., d], cosines and sines int64 [..., d/2]. 30 bits grow by √2."""
    full = x.to_bits(MANTISSA_BITS - 1)
    first, second = full.mantissas.chunk(2, dim=-1)
    turned = torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
    return Vector.of(shifted(turned, ROTARY_BITS), full.exponent)


def gate(x: Vector, up: Vector, activation: str) -> Vector:
    """activation(x) · up: [..., n]. The second factor is rounded to 17 bits of its largest."""
    active = shifted(x.mantissas * gate_factor(x, activation), FACTOR_BITS)
    factor = up.to_bits(FACTOR_BITS)
    full = Vector.of(active, x.exponent).to_bits(MANTISSA_BITS)
    products = shifted(full.mantissas * factor.mantissas, FACTOR_BITS)
    return Vector.of(products, full.exponent + factor.exponent + FACTOR_BITS)
