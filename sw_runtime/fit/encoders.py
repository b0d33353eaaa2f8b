"""How a matrix becomes integers of a format: one encoder a family of formats, all called alike."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from formats.block import BlockFormat
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
from sw_runtime.fit.row_range import scales
from sw_runtime.fit.trellis_range import encode_at_best_scales, suited_scales
from sw_runtime.search.search import encode_matrix
from sw_runtime.search.trellis import encode

CONTRAST = 64.0
"""Largest importance in a block over the block's median. Beyond it nothing is gained, as the
loudest input's weight is met to its nearest integer anyway, but the search prunes badly."""

Progress = Callable[[int], object]


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
        self.factor = inverse_factor(statistics.calibration.capped) if statistics else None

    def powers(self, columns: int) -> list[Tensor]:
        """Mean squares of the input, plain and with loud tokens capped: each [columns]; ones without a text."""
        if self.statistics is None:
            return [torch.ones(columns)]
        return [self.statistics.calibration.plain.diagonal(), self.statistics.calibration.capped.diagonal()]


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
        self, weights: list[Tensor], method: Method, inputs: Inputs, threads: int, progress: Progress | None
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
        self, weights: list[Tensor], method: Method, inputs: Inputs, threads: int, progress: Progress | None
    ) -> list[Matrix]:
        """Encode all matrices in one search and take them apart again."""
        found = self._encode(torch.cat([matrix.float() for matrix in weights]), method, inputs, threads, progress)
        ends = torch.tensor([len(matrix) for matrix in weights]).cumsum(0).tolist()
        return [_rows(found, slice(end - len(matrix), end)) for matrix, end in zip(weights, ends, strict=True)]

    @abstractmethod
    def _encode(
        self, weights: Tensor, method: Method, inputs: Inputs, threads: int, progress: Progress | None
    ) -> EncodedMatrix | TrellisMatrix:
        """One matrix."""


def _rows(matrix: EncodedMatrix | TrellisMatrix, rows: slice) -> Matrix:
    row_scales = matrix.scales if matrix.shares_scale else matrix.scales[rows]
    return replace(matrix, words=matrix.words[rows], scales=row_scales.clone())


class BlockEncoder(RowEncoder):
    """Block words, found by the exact seed search."""

    def _encode(
        self, weights: Tensor, method: Method, inputs: Inputs, threads: int, progress: Progress | None
    ) -> EncodedMatrix:
        block_format, powers = PRESETS[self.name], inputs.powers(weights.shape[1])
        if method == "feedback" and inputs.factor is not None:
            row_scales = scales(weights, block_format, powers, inputs.factor.diagonal() ** -2)
            return encode_with_feedback(weights, block_format, row_scales, inputs.factor, threads, progress)
        column_importance = importance(powers[-1], block_format.block_size) if method == "diagonal" else None
        return encode_matrix(
            weights, block_format, scales(weights, block_format, powers), column_importance, threads, progress
        )


class TrellisEncoder(RowEncoder):
    """Trellis words, found by the Viterbi algorithm; without feedback each row at the best of several scales."""

    def _encode(
        self, weights: Tensor, method: Method, inputs: Inputs, threads: int, progress: Progress | None
    ) -> TrellisMatrix:
        trellis_format, powers = TRELLIS_PRESETS[self.name], inputs.powers(weights.shape[1])
        if method == "feedback" and inputs.factor is not None:
            column_costs = inputs.factor.diagonal() ** -2
            usual = scales(weights, trellis_format, powers, column_costs)
            row_scales = suited_scales(weights, trellis_format, usual, column_costs)
            found = encode(weights, trellis_format, row_scales, inputs.factor, threads=threads, progress=progress)
            return TrellisMatrix(trellis_format, found.words, row_scales, weights.shape[1])
        column_importance = damped(powers[-1]) if method == "diagonal" else None
        return encode_at_best_scales(
            weights, trellis_format, scales(weights, trellis_format, powers), column_importance, threads, progress
        )


class PaletteEncoder(PresetEncoder):
    """Tables of 16 or 4 weights that 16 rows share."""

    methods: ClassVar[tuple[Method, ...]] = ("diagonal", "plain")

    def encode(
        self, weights: list[Tensor], method: Method, inputs: Inputs, threads: int, progress: Progress | None
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
        self, weights: list[Tensor], method: Method, inputs: Inputs, threads: int, progress: Progress | None
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
