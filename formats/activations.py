"""Activations as a device takes them, and its sums as real numbers again: the only two roundings of a product.

``y = weight_scale * activation_scale * (integer_weights @ integer_activations)``; all between is exact.
"""

import torch
from torch import Tensor

from formats.errors import InputError
from formats.matrices import Matrix


def quantise_activations(hidden_states: Tensor, activation_bits: int = 16) -> tuple[Tensor, Tensor]:
    """Symmetric integers with one scale per vector.

    Returns int64 [..., columns] in ``±(2^(activation_bits-1) - 1)`` and float32 scales [..., 1]; a
    vector of zeros has scale 1.

    Raises
    ------
    InputError
        If a value is not finite, also if it is so only in float64.
    """
    largest = hidden_states.float().abs().amax(dim=-1, keepdim=True)
    if not torch.isfinite(largest).all():
        fault = "NaN or infinity" if not torch.isfinite(hidden_states).all() else "numbers beyond float32"
        raise InputError(f"activations must be finite; the model's hidden_states hold {fault}")
    limit = (1 << (activation_bits - 1)) - 1
    scales = torch.where(largest > 0, largest / limit, 1.0)
    return (hidden_states.double() / scales.double()).round().clamp(-limit, limit).long(), scales


def rescale(sums: Tensor, matrix: Matrix, activation_scales: Tensor) -> Tensor:
    """Integer results to real ones: int64 [vectors, rows], scales [vectors, 1] → float32."""
    return (sums.double() * matrix.unit_scales().double() * activation_scales.double()).float()
