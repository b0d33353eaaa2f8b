"""Weight matrices as they are stored: block words, codes into tables, or plain FP16."""

from dataclasses import dataclass

import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.palette import PaletteMatrix

FP16_FRACTION_BITS = 24
"""The baseline's sums count units of ``2^-24``, the least positive FP16 number."""

FP16_MAXIMUM_EXPONENT = 22
"""Greatest exponent field the baseline takes: every weight below 256 in magnitude.

Bound: an 11-bit significand shifted by at most 21 is below 2^32; times 2^15 (16-bit activations)
and 2^15 columns it stays below 2^62, so 64 signed bits hold every sum.
"""


@dataclass(frozen=True)
class EncodedMatrix:
    """A weight matrix as block words.

    Parameters
    ----------
    block_format
        Layout of the words.
    words
        int64 [rows, blocks]; each row starts on a fresh block.
    scales
        float32 [rows] (scaled formats) or [1] (paper formats).
    columns
        Weights a row, without the padding of the last block.
    """

    block_format: BlockFormat
    words: Tensor
    scales: Tensor
    columns: int

    @property
    def rows(self) -> int:
        """Number of rows (output features)."""
        return self.words.shape[0]


@dataclass(frozen=True)
class Fp16Matrix:
    """A plain FP16 weight matrix, the baseline: float16 [rows, columns].

    Raises
    ------
    ValueError
        If a weight is not finite or not below 256 in magnitude, naming the first.
    """

    weights: Tensor

    def __post_init__(self) -> None:
        if self.weights.dtype != torch.float16 or self.weights.dim() != 2:
            raise ValueError(
                f"weights must be float16 [rows, columns], not {self.weights.dtype} {self.weights.dim()}-d"
            )
        outside = ~(self.weights.abs() < 256)
        if outside.any():
            row, column = outside.nonzero()[0].tolist()
            value = self.weights[row, column].item()
            raise ValueError(f"weight [{row}, {column}] is {value}; the FP16 baseline takes magnitudes below 256")

    @property
    def rows(self) -> int:
        """Number of rows (output features)."""
        return self.weights.shape[0]

    @property
    def columns(self) -> int:
        """Weights a row."""
        return self.weights.shape[1]


Matrix = EncodedMatrix | PaletteMatrix | Fp16Matrix
"""What a device can hold."""
