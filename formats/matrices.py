"""Weight matrices as devices hold them: block words, codes into tables, or plain FP16."""

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from formats.arguments import check_types
from formats.block import BlockFormat, signed_bits
from formats.errors import InputError
from formats.fp16 import FP16
from formats.presets import is_registered
from formats.seeds import decoded_rows, integer_dtype

FP16_FRACTION_BITS = 24
"""The baseline's sums count units of ``2^-24``, the least positive FP16 number."""

FP16_MAXIMUM_EXPONENT = 22
"""Greatest exponent field the baseline takes: every weight below 256 in magnitude.

Bound: an 11-bit significand shifted by at most 21 is below 2^32; times 2^15 (16-bit activations)
and 2^15 columns it stays below 2^62, so 64 signed bits hold every sum.
"""

FP16_LIMIT = 256
"""The baseline takes weights below this in magnitude: the value of the exponent field after the greatest."""

CHUNK_WEIGHTS = 1 << 20
"""Weights turned into float64 at once."""


class Matrix(Protocol):
    """What a device can hold: integers with a scale per row, in the words of one weight format.

    A weight is ``integers()[r, c] * unit_scales()[r]``. Any class with these members can be loaded.
    """

    @property
    def name(self) -> str:
        """Name of the weight format."""

    @property
    def rows(self) -> int:
        """Number of rows (output features)."""

    @property
    def columns(self) -> int:
        """Weights per row."""

    @property
    def shares_scale(self) -> bool:
        """Whether all rows have one scale, so that their sums compare as they are."""

    def check_format(self) -> None:
        """Refuse a format whose name stands for other parameters on a device, and tensors that are not of the format.

        Raises
        ------
        InputError
            Naming the format or the tensor.
        """

    def integers(self) -> Tensor:
        """The exact integers that the lanes multiply by: [rows, columns], in the narrowest signed dtype."""

    def unit_scales(self) -> Tensor:
        """Value of one integer unit: float32 [rows], or [1] where all rows share it."""

    def accumulator_bits(self, activation_bits: int) -> int:
        """Signed bits that hold any result."""

    def lane_words(self, block_size: int) -> NDArray[np.uint8]:
        """Every lane word, lowest first: uint8 [rows, blocks, bits], or [rows, blocks, bytes] for whole bytes."""

    def table_bytes(self, groups: int, lanes: int) -> NDArray[np.uint8]:
        """Table that each group of ``lanes`` rows starts with: uint8 [groups, bytes]; 0 bytes without tables."""

    def without_weights(self) -> "Matrix":
        """The same rows and scales with no columns: what rescaling needs of a matrix that is on a device."""


def real_weights(matrix: Matrix, dtype: torch.dtype = torch.float32) -> Tensor:
    """The weights a matrix stands for: float32 rounded once more to ``dtype``, [rows, columns]."""
    integers, scales = matrix.integers(), matrix.unit_scales().double().expand(matrix.rows)
    weights = torch.empty(matrix.rows, matrix.columns, dtype=dtype)
    step = max(1, CHUNK_WEIGHTS // max(1, matrix.columns))
    for first in range(0, matrix.rows, step):
        rows = slice(first, first + step)
        weights[rows] = (integers[rows].double() * scales[rows, None]).float().to(dtype)
    return weights


def comparing_scales(matrix: Matrix) -> Tensor:
    """What makes a matrix's rows comparable: float32 [rows].

    The rows' scales, where each has its own. Rows that share one scale compare as they are: ones.
    """
    return torch.ones(matrix.rows) if matrix.shares_scale else matrix.unit_scales()


def lane_octets(words: Tensor, bits: int) -> NDArray[np.uint8]:
    """Words of ``bits`` bits as ``Matrix.lane_words``: int64 [rows, blocks] → uint8 [rows, blocks, bytes or bits]."""
    octets = words.contiguous().numpy().view(np.uint8).reshape(*words.shape, 8)
    if bits % 8 == 0:
        return octets[..., : bits // 8]
    return np.unpackbits(octets, axis=-1, bitorder="little")[..., :bits]


def check_words(words: Tensor, scales: Tensor, blocks: int, shared: bool) -> None:
    """Refuse words that are not int64 [rows, blocks], and scales that are not float32 [rows], or [1] where shared.

    Raises
    ------
    InputError
        Naming the tensor, what it must be and what it is.
    """
    if words.dtype != torch.int64 or words.dim() != 2 or words.shape[1] != blocks:
        raise InputError(f"words must be int64 [rows, {blocks}], not {words.dtype} {list(words.shape)}")
    wanted = 1 if shared else len(words)
    if scales.dtype != torch.float32 or scales.shape != (wanted,):
        raise InputError(f"scales must be float32 [{wanted}], not {scales.dtype} {list(scales.shape)}")


def no_tables(groups: int) -> NDArray[np.uint8]:
    """``Matrix.table_bytes`` of formats without tables: uint8 [groups, 0]."""
    return np.zeros((groups, 0), dtype=np.uint8)


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

    Raises
    ------
    InputError
        If an argument is of another type.
    """

    block_format: BlockFormat
    words: Tensor
    scales: Tensor
    columns: int

    def __post_init__(self) -> None:
        check_types(
            block_format=(self.block_format, BlockFormat),
            words=(self.words, Tensor),
            scales=(self.scales, Tensor),
            columns=(self.columns, int),
        )

    @property
    def name(self) -> str:
        """Name of the block format."""
        return self.block_format.name

    @property
    def rows(self) -> int:
        """Number of rows (output features)."""
        return self.words.shape[0]

    @property
    def shares_scale(self) -> bool:
        """Paper formats have one scale per matrix."""
        return self.block_format.exponent_bits > 0

    def check_format(self) -> None:
        """Refuse a format that is no registered preset, and words or scales that are not of it.

        Raises
        ------
        InputError
            Naming the format or the tensor.
        """
        if not is_registered(self.block_format):
            raise InputError(f"{self.name} is the name of a preset, and the matrix's format has other parameters")
        check_words(self.words, self.scales, self.block_format.blocks(self.columns), self.shares_scale)

    def integers(self) -> Tensor:
        """Integer weights from tables of all seeds' entries: int8 to int64 [rows, columns]."""
        weights = torch.empty(self.rows, self.columns, dtype=integer_dtype(self.block_format.maximum_weight))
        for rows, integers in decoded_rows(self.words, self.block_format, self.columns):
            weights[rows] = integers
        return weights

    def unit_scales(self) -> Tensor:
        """``scales``."""
        return self.scales

    def accumulator_bits(self, activation_bits: int) -> int:
        """Signed bits that hold any result; the bound is the format's."""
        return self.block_format.accumulator_bits(self.columns, activation_bits)

    def lane_words(self, block_size: int) -> NDArray[np.uint8]:
        """Block words: uint8 [rows, blocks, bytes], or [rows, blocks, bits] where a word is no whole bytes."""
        return lane_octets(self.words, self.block_format.word_bits)

    def table_bytes(self, groups: int, lanes: int) -> NDArray[np.uint8]:
        """None: uint8 [groups, 0]."""
        return no_tables(groups)

    def without_weights(self) -> "EncodedMatrix":
        """The scales; the words, 8 bytes per block, stay behind."""
        return replace(self, words=self.words.new_empty(self.rows, 0))


@dataclass(frozen=True)
class Fp16Matrix:
    """A plain FP16 weight matrix, the baseline: float16 [rows, columns].

    Raises
    ------
    InputError
        If a weight is not finite or not below 256 in magnitude, naming the first.
    """

    weights: Tensor

    name: ClassVar[str] = FP16
    shares_scale: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_types(weights=(self.weights, Tensor))
        if self.weights.dtype != torch.float16 or self.weights.dim() != 2:
            raise InputError(
                f"weights must be float16 [rows, columns], not {self.weights.dtype} {self.weights.dim()}-d"
            )
        outside = ~(self.weights.abs() < FP16_LIMIT)
        if outside.any():
            row, column = outside.nonzero()[0].tolist()
            value = self.weights[row, column].item()
            raise InputError(
                f"weight [{row}, {column}] is {value}; the FP16 baseline takes magnitudes below {FP16_LIMIT}"
            )

    @property
    def rows(self) -> int:
        """Number of rows (output features)."""
        return self.weights.shape[0]

    @property
    def columns(self) -> int:
        """Weights a row."""
        return self.weights.shape[1]

    def check_format(self) -> None:
        """There is one FP16."""

    def integers(self) -> Tensor:
        """Weights in units of ``2^-24``, significand times ``2^(max(exponent field, 1) - 1)``: int64."""
        return (self.weights.double() * 2.0**FP16_FRACTION_BITS).long()

    def unit_scales(self) -> Tensor:
        """``2^-24``, float32 [1]."""
        return torch.tensor([2.0**-FP16_FRACTION_BITS])

    def accumulator_bits(self, activation_bits: int) -> int:
        """Signed bits that hold any result: an 11-bit significand at most ``FP16_MAXIMUM_EXPONENT - 1`` places up."""
        return signed_bits((2047 << FP16_MAXIMUM_EXPONENT - 1) * self.columns << (activation_bits - 1))

    def lane_words(self, block_size: int) -> NDArray[np.uint8]:
        """``block_size`` weights per word: uint8 [rows, blocks, 2 · block_size]."""
        padded = torch.nn.functional.pad(self.weights, (0, -self.columns % block_size)).contiguous()
        return padded.numpy().view(np.uint8).reshape(self.rows, -1, 2 * block_size)

    def table_bytes(self, groups: int, lanes: int) -> NDArray[np.uint8]:
        """None: uint8 [groups, 0]."""
        return no_tables(groups)

    def without_weights(self) -> "Fp16Matrix":
        """No columns: FP16 lanes have one scale, the format's."""
        return Fp16Matrix(self.weights.new_empty(self.rows, 0))
