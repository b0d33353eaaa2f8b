"""The accelerator's integer arithmetic: RTL, emulator and netlist equal it bit for bit.

``y = weight_scale * activation_scale * (integer_weights @ integer_activations)``. Weights,
activations, products and sums are exact integers; the only roundings are the activations' and the
final scaling.
"""

import torch
from torch import Tensor

from formats.block import signed_bits
from formats.matrices import FP16_FRACTION_BITS, FP16_MAXIMUM_EXPONENT, EncodedMatrix, Matrix
from formats.palette import LIMIT as PALETTE_LIMIT
from formats.palette import PaletteMatrix
from golden_models.seedlm.codec import integer_weights


def quantise_activations(hidden_states: Tensor, activation_bits: int = 16) -> tuple[Tensor, Tensor]:
    """Symmetric integers with one scale a vector.

    Returns int64 [..., columns] in ``±(2^(activation_bits-1) - 1)`` and float32 scales [..., 1]; a
    vector of zeros has scale 1.

    Raises
    ------
    ValueError
        If a value is not finite.
    """
    if not torch.isfinite(hidden_states).all():
        raise ValueError("activations must be finite; the model's hidden_states hold NaN or infinity")
    limit = (1 << (activation_bits - 1)) - 1
    largest = hidden_states.float().abs().amax(dim=-1, keepdim=True)
    scales = torch.where(largest > 0, largest / limit, 1.0)
    return (hidden_states.double() / scales.double()).round().clamp(-limit, limit).long(), scales


def integer_matrix(matrix: Matrix) -> Tensor:
    """The exact integers the lanes multiply by: int64 [rows, columns].

    FP16 weights in units of ``2^-24``: significand times ``2^(max(exponent field, 1) - 1)``.
    """
    if isinstance(matrix, EncodedMatrix):
        return integer_weights(matrix)
    if isinstance(matrix, PaletteMatrix):
        return matrix.integers()
    return (matrix.weights.double() * 2.0**FP16_FRACTION_BITS).long()


def weight_scales(matrix: Matrix) -> Tensor:
    """Value of one integer unit: float32 [rows] or [1]."""
    if isinstance(matrix, EncodedMatrix):
        return matrix.scales
    if isinstance(matrix, PaletteMatrix):
        return matrix.row_scales()
    return torch.tensor([2.0**-FP16_FRACTION_BITS])


def matvec(matrix: Matrix, activations: Tensor) -> Tensor:
    """Exact integer product: activations int64 [vectors, columns] → int64 [vectors, rows]."""
    return activations @ integer_matrix(matrix).T


def accumulator_bits(matrix: Matrix, activation_bits: int) -> int:
    """Signed bits that hold any result of this matrix."""
    if isinstance(matrix, EncodedMatrix):
        return matrix.block_format.accumulator_bits(matrix.columns, activation_bits)
    if isinstance(matrix, PaletteMatrix):
        return signed_bits(PALETTE_LIMIT * matrix.columns << (activation_bits - 1))
    return signed_bits((2047 << FP16_MAXIMUM_EXPONENT - 1) * matrix.columns << (activation_bits - 1))


def rescale(sums: Tensor, matrix: Matrix, activation_scales: Tensor) -> Tensor:
    """Integer results to real ones: int64 [vectors, rows], scales [vectors, 1] → float32."""
    return (sums.double() * weight_scales(matrix).double() * activation_scales.double()).float()
