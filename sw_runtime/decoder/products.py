"""Exact products of a matrix and vectors of 15 bits, by float arithmetic that never rounds."""

import numpy as np
import torch

from formats.decoder.tables import ACTIVATION_BITS, KEY_BITS
from formats.matrices import Matrix
from formats.row_scales import EXPONENT_BIAS, split_scales, to_bfloat16
from sw_runtime.decoder.vectors import Integers, Vector, shifted

DIGIT_BITS = 8
"""An activation is two digits of -128 to 128."""

FLOAT32_BITS = 24
"""Float32 holds every integer up to ``2^24``."""


class ScaledProduct:
    """A matrix ready to multiply, weights kept as float32 where two digits of an activation give exact sums.

    Where a row's magnitudes add up to more than 2^17 they are kept as float64. A weight has 15 magnitude bits, an
    activation 15, a row 2^16 columns: sums stay below 2^46, which float64 holds.

    Parameters
    ----------
    matrix
        Integers, and a bfloat16 scale per row.
    """

    def __init__(self, matrix: Matrix) -> None:
        integers = matrix.integers()
        longest = int(integers.abs().sum(dim=1, dtype=torch.int64).max())
        self._in_digits = longest << DIGIT_BITS - 1 <= 1 << FLOAT32_BITS
        self._weights = integers.to(torch.float32 if self._in_digits else torch.float64).T
        mantissas, fields = split_scales(to_bfloat16(matrix.unit_scales()))
        self._mantissas, self._exponents = mantissas.numpy(), fields.numpy() - EXPONENT_BIAS

    def multiply(self, x: Vector, exponent: int) -> Vector:
        """``matrix @ x`` with an exponent above the rounded vector's: [T, columns] → [T, rows]."""
        rounded = x.to_bits(ACTIVATION_BITS)
        products = self._sums(rounded.mantissas) * self._mantissas
        return Vector.of(shifted(products, exponent - self._exponents), rounded.exponent + exponent)

    def answer(self, x: Vector, exponent: int) -> Integers:
        """Logits as keys, 23 bits at a fixed exponent: [T, columns] → [T, rows]."""
        rounded = x.to_bits(ACTIVATION_BITS)
        products = self._sums(rounded.mantissas) * self._mantissas
        return shifted(products, exponent - self._exponents - rounded.exponent, KEY_BITS)

    def _sums(self, activations: Integers) -> Integers:
        """[T, columns] → [T, rows]."""
        if not self._in_digits:
            wide: Integers = (torch.from_numpy(activations).double() @ self._weights).long().numpy()
            return wide
        half = 1 << DIGIT_BITS - 1
        low = (activations + half & (1 << DIGIT_BITS) - 1) - half
        digits = np.concatenate([low, activations - low >> DIGIT_BITS])
        sums = (torch.from_numpy(digits.astype(np.float32)) @ self._weights).numpy().astype(np.int64)
        tokens = len(activations)
        return sums[:tokens] + (sums[tokens:] << DIGIT_BITS)
