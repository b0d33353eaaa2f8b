"""Several ways to encode a matrix, and the check that none is used that spoils the layer's output."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from formats.block import PRESETS, BlockFormat
from formats.matrices import EncodedMatrix, Fp16Matrix
from sw_runtime.decode import decode
from sw_runtime.fit.covariance import InputStatistics
from sw_runtime.fit.feedback import DAMPING, encode_with_feedback, inverse_factor
from sw_runtime.fit.report import LayerReport, Method
from sw_runtime.fit.row_range import scales
from sw_runtime.search.search import encode_matrix

ORDINARY_ERROR = {
    "scaled-4bit": 0.081,
    "scaled-3bit": 0.159,
    "scaled-2bit": 0.302,
    "paper-4bit": 0.12,
    "paper-3bit": 0.22,
}
"""Relative error of every preset on Gaussian weights: the output error, too, where all inputs count alike."""

TOLERANCE = 1.4
"""Output errors up to this many ordinary errors are accepted."""

NEXT_FORMAT = {"scaled-2bit": "scaled-3bit", "scaled-3bit": "scaled-4bit", "paper-3bit": "paper-4bit"}
"""Where to go when nothing of a format's own bits will do; after the last comes FP16."""

CONTRAST = 64.0
"""Largest importance in a block over the block's median. Beyond it nothing is gained, as the
loudest input's weight is met to its nearest integer anyway, but the search prunes badly."""


@dataclass(frozen=True)
class EncodedLayer:
    """A layer's weights as they are stored, with what is known of their quality."""

    matrix: EncodedMatrix | Fp16Matrix
    report: LayerReport

    @property
    def is_sound(self) -> bool:
        """Whether the layer's output is about as good as its format makes it on ordinary weights."""
        return isinstance(self.matrix, Fp16Matrix) or (
            self.report.worst <= TOLERANCE * ORDINARY_ERROR[self.matrix.block_format.name]
        )


def importance(power: Tensor, block_size: int) -> Tensor:
    """What the diagonal method weighs the columns' errors by, of mean squares [columns]: float64 [columns]."""
    damped = power + DAMPING * power.mean()
    blocks = torch.tensor_split(damped, list(range(block_size, len(damped), block_size)))
    return torch.cat([block.clamp(max=CONTRAST * block.median()) for block in blocks])


class GroupEncoder:
    """Encodes matrices that multiply one input.

    Parameters
    ----------
    statistics
        Of the input; None where there is no calibration text: all columns then count alike.
    threads
        Threads of the search.
    """

    def __init__(self, statistics: InputStatistics | None, threads: int = 1) -> None:
        self.statistics = statistics
        self.threads = threads
        self.factor = inverse_factor(statistics.calibration.capped) if statistics else None

    def encode(
        self, weights: list[Tensor], block_format: BlockFormat, progress: Callable[[int], object] | None = None
    ) -> list[EncodedLayer]:
        """The best sound encoding of every matrix: [rows, columns] each, of one number of columns.

        Error feedback is tried first, on all matrices stacked. A matrix whose output it spoils takes
        the better of the other methods, then of the next format's, and at last is rounded to FP16.
        """
        method: Method = "feedback" if self.statistics else "plain"
        stacked = self._encode(torch.cat([matrix.float() for matrix in weights]), block_format, method, progress)
        layers: list[EncodedLayer] = []
        first = 0
        for matrix in weights:
            rows = slice(first, first + len(matrix))
            first = rows.stop
            found = _rows(stacked, rows)
            layers.append(
                self._sound(
                    matrix, EncodedLayer(found, self._report(matrix, decode(found), found.block_format.name, method))
                )
            )
        return layers

    def rounded(self, weights: Tensor) -> EncodedLayer:
        """A matrix, [rows, columns] of any float dtype, in FP16.

        Raises
        ------
        ValueError
            If a weight is not below 256 in magnitude.
        """
        matrix = Fp16Matrix(weights.half())
        return EncodedLayer(matrix, self._report(weights, matrix.weights, "fp16", "rounded"))

    def _sound(self, weights: Tensor, layer: EncodedLayer) -> EncodedLayer:
        """The layer itself if it is sound, or the first better one that is."""
        while isinstance(layer.matrix, EncodedMatrix) and not layer.is_sound:
            block_format = layer.matrix.block_format
            others = [self._encoded_layer(weights, block_format, method) for method in ("diagonal", "plain")]
            layer = min([layer, *others], key=lambda candidate: candidate.report.worst)
            if layer.is_sound:
                break
            if block_format.name not in NEXT_FORMAT:
                return self.rounded(weights)
            layer = self._encoded_layer(weights, PRESETS[NEXT_FORMAT[block_format.name]], "feedback")
        return layer

    def _encoded_layer(self, weights: Tensor, block_format: BlockFormat, method: Method) -> EncodedLayer:
        matrix = self._encode(weights.float(), block_format, method)
        return EncodedLayer(matrix, self._report(weights, decode(matrix), block_format.name, method))

    def _encode(
        self,
        weights: Tensor,
        block_format: BlockFormat,
        method: Method,
        progress: Callable[[int], object] | None = None,
    ) -> EncodedMatrix:
        if self.statistics is None or self.factor is None:
            row_scales = scales(weights, block_format, [torch.ones(weights.shape[1])])
            return encode_matrix(weights, block_format, row_scales, None, self.threads, progress)
        covariance = self.statistics.calibration
        powers = [covariance.plain.diagonal(), covariance.capped.diagonal()]
        if method == "feedback":
            row_scales = scales(weights, block_format, powers, self.factor.diagonal() ** -2)
            return encode_with_feedback(weights, block_format, row_scales, self.factor, self.threads, progress)
        row_scales = scales(weights, block_format, powers)
        column_importance = importance(powers[1], block_format.block_size) if method == "diagonal" else None
        return encode_matrix(weights, block_format, row_scales, column_importance, self.threads, progress)

    def _report(self, weights: Tensor, found: Tensor, format: str, method: Method) -> LayerReport:
        if self.statistics is None:
            return LayerReport(format, method)
        plain, capped = self.statistics.calibration.output_errors(weights, found)
        return LayerReport(format, method, plain, capped, max(self.statistics.held_out.output_errors(weights, found)))


def _rows(matrix: EncodedMatrix, rows: slice) -> EncodedMatrix:
    row_scales = matrix.scales if matrix.block_format.exponent_bits else matrix.scales[rows]
    return EncodedMatrix(matrix.block_format, matrix.words[rows], row_scales.clone(), matrix.columns)
