"""Palettised linears with adapters: W[r, c] = LUT[r // 16][code[r, c]],  y = W·x + (α/r)·B·(A·x)."""

import torch
from torch import Tensor, nn

from formats.errors import InputError
from formats.palette import PaletteMatrix, quantise_tables
from formats.palette_format import ROWS_A_TABLE
from golden_models.afm.k_means import k_means


def nearest(values: Tensor, tables: Tensor) -> Tensor:
    """Place of the nearest entry, the lower of two.

    Values [groups, n], ascending tables [groups, k] → int64 [groups, n].
    """
    middles = (tables[:, 1:] + tables[:, :-1]) / 2
    return torch.searchsorted(middles.contiguous(), values.contiguous())


def palettise(weights: Tensor, code_bits: int, importance: Tensor | None = None) -> PaletteMatrix:
    """A matrix with the best table for every 16 rows.

    Parameters
    ----------
    weights
        [rows, columns]; the last table serves what is left of the rows.
    code_bits
        4 or 2.
    importance
        Weight of each column's squared error, [columns], not negative; alike when not given or all 0.

    Raises
    ------
    InputError
        If ``code_bits`` is neither.
    """
    if code_bits not in (2, 4):
        raise InputError(f"code_bits must be 2 or 4, not {code_bits}")
    rows, columns = weights.shape
    groups = -(-rows // ROWS_A_TABLE)
    padded = nn.functional.pad(weights.double(), (0, 0, 0, groups * ROWS_A_TABLE - rows))
    present = torch.zeros_like(padded)
    present[:rows] = 1.0 if importance is None else importance.double()
    values = padded.view(groups, -1)
    tables, scales = quantise_tables(k_means(values, 1 << code_bits, present.view(groups, -1)))
    codes = nearest(values, tables * scales.double()[:, None]).view(-1, columns)[:rows]
    return PaletteMatrix(codes, tables, scales)


def dequantise(matrix: PaletteMatrix) -> Tensor:
    """Real weights: float32 [rows, columns]."""
    return (matrix.integers().double() * matrix.unit_scales().double()[:, None]).float()


class AdaptedLinear(nn.Module):
    """A frozen palettised matrix and a trained adapter beside it; with B = 0 the adapter adds nothing.

    Parameters
    ----------
    matrix
        The base, never merged with the adapter: it is quantised.
    rank
        r, rows of A.
    alpha
        The adapter's outputs are multiplied by α/r; unstated in accounts of AFM, 1·r here.
    """

    base: Tensor

    def __init__(self, matrix: PaletteMatrix, rank: int = 16, alpha: float | None = None) -> None:
        super().__init__()
        self.matrix = matrix
        self.scaling = (rank if alpha is None else alpha) / rank
        self.register_buffer("base", dequantise(matrix))
        self.A = nn.Parameter(torch.randn(rank, matrix.columns) * matrix.columns**-0.5)
        self.B = nn.Parameter(torch.zeros(matrix.rows, rank))

    def forward(self, x: Tensor) -> Tensor:
        """[..., columns] → [..., rows]."""
        return x @ self.base.T + self.scaling * (x @ self.A.T) @ self.B.T
