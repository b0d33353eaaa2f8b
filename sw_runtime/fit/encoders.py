"""How a matrix becomes integers of a format: one encoder a family of formats, all called alike."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.errors import InputError
from formats.fp16 import FP16
from formats.matrices import EncodedMatrix, Fp16Matrix, Matrix
from formats.palette_format import Palette
from formats.presets import PALETTES, PRESETS, TRELLIS_PRESETS, preset_named
from formats.trellis import TrellisFormat
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.fit.covariance import InputStatistics
from sw_runtime.fit.feedback import DAMPING, encode_with_feedback, inverse_factor
from sw_runtime.fit.palettes import palettise
from sw_runtime.fit.report import Method
from sw_runtime.fit.row_blocks import ColumnCosts, Progress, RowJob, SearchedMatrix
from sw_runtime.fit.row_range import scales
from sw_runtime.fit.trellis_range import encode_at_best_scales, suited_scales
from sw_runtime.fit.workers import Workers
from sw_runtime.search.search import encode_matrix
from sw_runtime.search.trellis import encode

FORMING = Lock()
"""Held while statistics are formed and factored, which takes most memory: those of one input at a time."""

CONTRAST = 64.0
"""Largest importance in a block over the block's median. Beyond it nothing is gained, as the
loudest input's weight is met to its nearest integer anyway, but the search prunes badly."""


def damped(power: Tensor) -> Tensor:
    """What the diagonal method weighs the columns' errors by, of mean squares [columns]: float64 [columns]."""
    return power + DAMPING * power.mean()


def importance(power: Tensor, block_size: int) -> Tensor:
    """The same for the seed search, which takes limited contrasts only: float64 [columns]."""
    blocks = torch.tensor_split(damped(power), list(range(block_size, len(power), block_size)))
    return torch.cat([block.clamp(max=CONTRAST * block.median()) for block in blocks])


class Inputs:
    """What is known of the input that matrices multiply.

    Parameters
    ----------
    statistics
        Over a calibration text; None where there is none: all columns then count alike.
    """

    def __init__(self, statistics: InputStatistics | None) -> None:
        self.statistics = statistics

    @cached_property
    def factor(self) -> Tensor | None:
        """What errors are fed back by, float64 [columns, columns]; None without a text. Formed when it is first asked
        for, as FP16 and palettes need none.
        """
        if self.statistics is None:
            return None
        with FORMING:
            return inverse_factor(self.statistics.calibration.capped)

    def powers(self, columns: int) -> list[Tensor]:
        """Mean squares of the input, plain and with loud tokens capped: each [columns]; ones without a text."""
        if self.statistics is None:
            return [torch.ones(columns)]
        return list(self.statistics.calibration.powers)


class Encoder(Protocol):
    """Makes matrices of one format."""

    @property
    def methods(self) -> tuple[Method, ...]:
        """Ways to encode, the preferred one first, the one that needs no text last."""

    @property
    def ordinary_error(self) -> float | None:
        """Relative error on ordinary weights, which judges a layer; None where nothing better can follow."""

    @property
    def next(self) -> str | None:
        """Format with more bits; None: FP16 comes next."""

    def encode(
        self, weights: list[Tensor], method: Method, inputs: Inputs, workers: Workers, progress: Progress | None
    ) -> list[Matrix]:
        """Matrices [rows, columns] that multiply one input, as they are stored; the text-free method without a text."""


@dataclass(frozen=True)
class PresetEncoder:
    """What the table of presets knows of a format."""

    name: str

    @property
    def ordinary_error(self) -> float | None:
        """The preset's."""
        return preset_named(self.name).ordinary_error

    @property
    def next(self) -> str | None:
        """The preset's."""
        return preset_named(self.name).next


class RowEncoder(PresetEncoder):
    """Words found row by row; matrices are searched stacked."""

    methods: ClassVar[tuple[Method, ...]] = ("feedback", "diagonal", "plain")

    def encode(
        self, weights: list[Tensor], method: Method, inputs: Inputs, workers: Workers, progress: Progress | None
    ) -> list[Matrix]:
        """Encode all matrices in one search and take them apart again.

        Raises
        ------
        InputError
            If a row's weights are so small that their scale is 0, naming the row of its own matrix.
        """
        costs = self._costs(method, inputs, inputs.powers(weights[0].shape[1])[-1])
        row_scales = self._scales(weights, costs, inputs)
        _check_scaled(weights, row_scales)
        found = workers.search(RowJob(self, weights, row_scales, costs, workers.kept, progress))
        ends = torch.tensor([len(matrix) for matrix in weights]).cumsum(0).tolist()
        return [_rows(found, slice(end - len(matrix), end)) for matrix, end in zip(weights, ends, strict=True)]

    def _costs(self, method: Method, inputs: Inputs, power: Tensor) -> ColumnCosts:
        """What a method takes errors to cost."""
        if method == "feedback" and inputs.factor is not None:
            return ColumnCosts(factor=inputs.factor)
        return ColumnCosts(importance=self._importance(power) if method == "diagonal" else None)

    @abstractmethod
    def _importance(self, power: Tensor) -> Tensor:
        """Weight of each column's squared error, of mean squares [columns]."""

    @abstractmethod
    def _scales(self, weights: list[Tensor], costs: ColumnCosts, inputs: Inputs) -> Tensor:
        """Scales of all rows, before the search: float32, one per row of all matrices, or one for all."""

    @abstractmethod
    def search(
        self, weights: Tensor, scales: Tensor, costs: ColumnCosts, threads: int, progress: Progress | None
    ) -> SearchedMatrix:
        """One matrix of rows, float32 [rows, columns], each searched by itself."""

    @abstractmethod
    def matrix(self, words: Tensor, scales: Tensor, columns: int) -> SearchedMatrix:
        """The matrix of words and scales that a search found."""


def _check_scaled(weights: list[Tensor], scales: Tensor) -> None:
    """Refuse rows whose weights a scale of 0 would lose."""
    ends = torch.tensor([len(matrix) for matrix in weights]).cumsum(0).tolist()
    for number, (matrix, end) in enumerate(zip(weights, ends, strict=True), 1):
        lost = (scales.expand(ends[-1])[end - len(matrix) : end] <= 0) & matrix.any(dim=1)
        if lost.any():
            which = f", matrix {number} of {len(weights)}," if len(weights) > 1 else ""
            raise InputError(f"row {int(lost.nonzero()[0])}{which} holds weights too small for a scale")


def _rows(matrix: SearchedMatrix, rows: slice) -> Matrix:
    row_scales = matrix.scales if matrix.shares_scale else matrix.scales[rows]
    return replace(matrix, words=matrix.words[rows], scales=row_scales.clone())


class BlockEncoder(RowEncoder):
    """Block words, found by the exact seed search."""

    def _importance(self, power: Tensor) -> Tensor:
        return importance(power, PRESETS[self.name].block_size)

    def _scales(self, weights: list[Tensor], costs: ColumnCosts, inputs: Inputs) -> Tensor:
        answered = None if costs.factor is None else costs.factor.diagonal() ** -2
        return scales(weights, PRESETS[self.name], inputs.powers(weights[0].shape[1]), answered)

    def search(
        self, weights: Tensor, scales: Tensor, costs: ColumnCosts, threads: int, progress: Progress | None
    ) -> EncodedMatrix:
        """By feedback, or block by block."""
        if costs.factor is not None:
            return encode_with_feedback(weights, PRESETS[self.name], scales, costs.factor, threads, progress)
        return encode_matrix(weights, PRESETS[self.name], scales, costs.importance, threads, progress)

    def matrix(self, words: Tensor, scales: Tensor, columns: int) -> EncodedMatrix:
        """Block words."""
        return EncodedMatrix(PRESETS[self.name], words, scales, columns)


class TrellisEncoder(RowEncoder):
    """Trellis words, found by the Viterbi algorithm; without feedback each row at the best of several scales."""

    def _importance(self, power: Tensor) -> Tensor:
        return damped(power)

    def _scales(self, weights: list[Tensor], costs: ColumnCosts, inputs: Inputs) -> Tensor:
        trellis_format, powers = TRELLIS_PRESETS[self.name], inputs.powers(weights[0].shape[1])
        if costs.factor is None:
            return scales(weights, trellis_format, powers)
        answered = costs.factor.diagonal() ** -2
        usual = torch.split(scales(weights, trellis_format, powers, answered), [len(matrix) for matrix in weights])
        pairs = zip(weights, usual, strict=True)
        return torch.cat([suited_scales(matrix, trellis_format, scale, answered) for matrix, scale in pairs])

    def search(
        self, weights: Tensor, scales: Tensor, costs: ColumnCosts, threads: int, progress: Progress | None
    ) -> TrellisMatrix:
        """By feedback at the scales given, or without at the best of several near them."""
        trellis_format = TRELLIS_PRESETS[self.name]
        if costs.factor is None:
            return encode_at_best_scales(weights, trellis_format, scales, costs.importance, threads, progress)
        found = encode(weights, trellis_format, scales, costs.factor, threads=threads, progress=progress)
        return self.matrix(found.words, scales, weights.shape[1])

    def matrix(self, words: Tensor, scales: Tensor, columns: int) -> TrellisMatrix:
        """Trellis words."""
        return TrellisMatrix(TRELLIS_PRESETS[self.name], words, scales, columns)


class PaletteEncoder(PresetEncoder):
    """Tables of 16 or 4 weights that 16 rows share."""

    methods: ClassVar[tuple[Method, ...]] = ("diagonal", "plain")

    def encode(
        self, weights: list[Tensor], method: Method, inputs: Inputs, workers: Workers, progress: Progress | None
    ) -> list[Matrix]:
        """Fit each matrix's tables alone: rows of two matrices never share one."""
        code_bits = PALETTES[self.name].code_bits
        found: list[Matrix] = []
        for matrix in weights:
            column_importance = inputs.powers(matrix.shape[1])[-1] if method == "diagonal" else None
            found.append(palettise(matrix, code_bits, column_importance))
            if progress:
                progress(matrix.numel())
        return found


@dataclass(frozen=True)
class Fp16Encoder:
    """Rounds to FP16: what is left when no format will do."""

    methods: ClassVar[tuple[Method, ...]] = ("rounded",)
    ordinary_error: ClassVar[float | None] = None
    next: ClassVar[str | None] = None

    def encode(
        self, weights: list[Tensor], method: Method, inputs: Inputs, workers: Workers, progress: Progress | None
    ) -> list[Matrix]:
        """Round.

        Raises
        ------
        InputError
            If a weight is not below 256 in magnitude.
        """
        return [Fp16Matrix(matrix.half()) for matrix in weights]


ENCODERS: dict[type, type[RowEncoder] | type[PaletteEncoder]] = {
    BlockFormat: BlockEncoder,
    TrellisFormat: TrellisEncoder,
    Palette: PaletteEncoder,
}
"""The encoder of every family of formats, by the class of its layouts."""


def encoder_of(name: str) -> Encoder:
    """The encoder of a format.

    Raises
    ------
    InputError
        If no such format is stored in folders, naming those that are.
    """
    if name == FP16:
        return Fp16Encoder()
    return ENCODERS[type(preset_named(name).layout)](name)
