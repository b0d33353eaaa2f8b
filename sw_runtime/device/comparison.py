"""Results of a product as keys of the router: what makes rows comparable, and which commands may take them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from formats.arguments import check_types
from formats.errors import DeviceError
from formats.matrices import Matrix, comparing_scales
from formats.router.descriptor import Bound, Command, Flag, KeyFormat, Opcode
from formats.row_scales import MAXIMUM_KEY, product_exponent, split_scales, to_bfloat16

MARGIN = 1 + 2.0**-40
"""Covers the rounding of norms in float64."""


@dataclass(frozen=True)
class RowComparison:
    """How the rows of a loaded matrix compare.

    Parameters
    ----------
    scales
        float32 [rows].
    largest_norm
        Greatest Euclidean norm of a row's integer weights, times its scale.
    """

    scales: Tensor
    largest_norm: float

    def bfloat16_scales(self) -> Tensor:
        """Scales as the requantiser takes them, bfloat16 [rows].

        Raises
        ------
        DeviceError
            If a row's scale is not a bfloat16 number of at least 0.
        """
        return to_bfloat16(self.scales)

    def exponent(self, activations: Tensor) -> int:
        """Exponent of a product with a vector, int64 [columns].

        By Cauchy and Schwarz no sum passes the product of both norms, so no key is clipped; it
        leaves the largest results of a language model's head about 21 of 24 bits.
        """
        norm = float(torch.linalg.vector_norm(activations.double()))
        return product_exponent(self.largest_norm * norm * MARGIN, self.bfloat16_scales())


def compare_rows(matrix: Matrix, integers: Tensor) -> RowComparison:
    """Scales and norms of a matrix whose integer weights are given, [rows, columns] of any dtype."""
    scales = comparing_scales(matrix)
    norms = torch.linalg.vector_norm(integers.double(), dim=1) * scales.double()
    return RowComparison(scales, float(norms.max()))


def check_routed(command: Command, rows: int, vectors: int) -> None:
    """Refuse a command that cannot take a product's results.

    Keys count units that change with every vector, so a bound means nothing to them.

    Raises
    ------
    InputError
        If it is no command.
    DeviceError
        If there is not one vector, or the command is no LOAD or FIRST without bound of S24 keys, one
        a row of the matrix.
    """
    check_types(command=(command, Command))
    if vectors != 1:
        raise DeviceError(f"the results of one vector are routed, not of {vectors}; route them one by one")
    one_row = command.opcode == Opcode.LOAD or (
        command.opcode == Opcode.FIRST and command.bound == Bound.NONE and command.row_elements == command.n
    )
    if not one_row or command.mode != KeyFormat.S24 or not command.has(Flag.DATA) or command.n != rows:
        raise DeviceError(
            f"the results of {rows} rows are routed to a LOAD, or a FIRST without bound, of {rows} keys S24 in one row "
            f"with the flag DATA, not to {command}"
        )


def product_keys(sums: Tensor, scales: Tensor, exponent: int) -> Tensor:
    """Keys of a product's results as the requantiser makes them: int64 [rows], bfloat16 [rows] → int64 [rows].

    ``floor(sum * mantissa / 2^shift + 1/2)`` clipped to 24 signed bits. A sum times its mantissa may take 72
    bits, so the product is held as ``high * 2^20 + low``; what passes 2^40 in ``high`` is clipped either way.
    """
    mantissas, fields = split_scales(scales)
    high, low = (sums >> 20) * mantissas, (sums & (1 << 20) - 1) * mantissas
    high, low = high + (low >> 20), low & (1 << 20) - 1
    high = high.clamp(-(1 << 40), 1 << 40)
    shift = (exponent - fields).clamp(max=80)
    doubled_high, doubled_low = high << 1, low << 1  # for the bit that rounds
    far, near = (shift - 20).clamp(0, 60), shift.clamp(max=20)
    halves = torch.where(
        shift >= 20,
        doubled_high + (doubled_low >> 20) >> far,
        (doubled_high << 20 - near) + (doubled_low >> near),
    )
    return ((halves + 1) >> 1).clamp(-MAXIMUM_KEY - 1, MAXIMUM_KEY)
