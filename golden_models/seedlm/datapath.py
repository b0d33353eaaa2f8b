"""The accelerator's integer arithmetic: RTL, emulator and netlist equal it bit for bit.

``y = weight_scale * activation_scale * (integer_weights @ integer_activations)``. Weights,
activations, products and sums are exact integers; the only roundings are the activations' and the
final scaling.
"""

import torch
from torch import Tensor

from formats.matrices import EncodedMatrix, Fp16Matrix, Matrix
from formats.palette import PaletteMatrix
from formats.palette_format import ROWS_A_TABLE
from formats.trellis_matrix import TrellisMatrix
from golden_models import trellis
from golden_models.seedlm.codec import integer_weights


def integer_matrix(matrix: Matrix) -> Tensor:
    """The exact integers the lanes multiply by: int64 [rows, columns].

    Seeds by ``codec``; trellises by ``trellis``; palettes weight by weight from their tables; FP16 in units of
    ``2^-24`` from the bits: significand times ``2^(max(exponent field, 1) - 1)``.
    """
    if isinstance(matrix, EncodedMatrix):
        return integer_weights(matrix)
    if isinstance(matrix, TrellisMatrix):
        return trellis.integer_weights(matrix.words, matrix.trellis_format, matrix.columns)
    if isinstance(matrix, PaletteMatrix):
        return torch.stack([matrix.tables[row // ROWS_A_TABLE][codes] for row, codes in enumerate(matrix.codes)])
    assert isinstance(matrix, Fp16Matrix)
    bits = matrix.weights.view(torch.int16).long()
    field, fraction = bits >> 10 & 31, bits & 1023
    magnitude = torch.where(field > 0, fraction + 1024, fraction) << (field.clamp(min=1) - 1)
    return torch.where(bits < 0, -magnitude, magnitude)


def matvec(matrix: Matrix, activations: Tensor) -> Tensor:
    """Exact integer product: activations int64 [vectors, columns] → int64 [vectors, rows]."""
    return activations @ integer_matrix(matrix).T
