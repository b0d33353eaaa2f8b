"""Several ways to encode a matrix, and the check that none is used that spoils the layer's output."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from formats.errors import InputError
from formats.fp16 import FP16
from formats.matrices import Matrix, real_weights
from sw_runtime.fit.covariance import InputStatistics
from sw_runtime.fit.encoders import Inputs, encoder_of
from sw_runtime.fit.report import LayerReport, Method
from sw_runtime.fit.row_errors import worst_row_error
from sw_runtime.fit.workers import Threads, Workers

TOLERANCE = 1.4
"""Output errors up to this many ordinary errors are accepted."""

ONE_THREAD = Threads(1)

LOST = 0.7
"""A row of weights that errs by more than this is as good as lost; so is the output of an FP16 layer."""


@dataclass(frozen=True)
class EncodedLayer:
    """A layer's weights as they are stored, with what is known of their quality."""

    matrix: Matrix
    report: LayerReport

    @property
    def is_sound(self) -> bool:
        """Whether the output is about as good as the format makes it on ordinary weights, and no row is lost."""
        ordinary = encoder_of(self.matrix.name).ordinary_error
        limit = LOST if ordinary is None else TOLERANCE * ordinary
        return self.report.worst <= limit and (self.report.row_error or 0.0) <= LOST


class GroupEncoder:
    """Encodes matrices that multiply one input.

    Parameters
    ----------
    statistics
        Of the input; None where there is no calibration text: all columns then count alike.
    workers
        What searches rows; one thread when not given.
    """

    def __init__(self, statistics: InputStatistics | None, workers: Workers = ONE_THREAD) -> None:
        self.statistics = statistics
        self.workers = workers
        self._inputs = Inputs(statistics)

    def encode(
        self, weights: list[Tensor], format: str, progress: Callable[[int], object] | None = None
    ) -> list[EncodedLayer]:
        """The best sound encoding of every matrix: [rows, columns] each, of one number of columns.

        The format's preferred method is tried first, on all matrices together. A matrix whose output it
        spoils takes the better of the other methods, then of the next format's, and at last is rounded to FP16.
        Without a text there is one method, and rows of weights are judged instead of outputs.

        Raises
        ------
        InputError
            If there is no such format, or none that a matrix can be stored in without losing weights.
        """
        method = self._first_method(format)
        matrices = encoder_of(format).encode(weights, method, self._inputs, self.workers, progress)
        return [self._sound(w, self._judged(w, m, method)) for w, m in zip(weights, matrices, strict=True)]

    def _sound(self, weights: Tensor, layer: EncodedLayer) -> EncodedLayer:
        """The layer itself if it is sound, or the first better one that is."""
        while not layer.is_sound:
            name = layer.matrix.name
            if name == FP16:
                raise InputError("FP16 would lose weights that are too small for it, and no other format does better")
            others = encoder_of(name).methods[1:] if self.statistics else ()
            tried = [layer, *(self._encoded(weights, name, method) for method in others)]
            layer = min(tried, key=lambda candidate: candidate.report.worst)
            if not layer.is_sound:
                following = encoder_of(name).next or FP16
                layer = self._encoded(weights, following, self._first_method(following))
        return layer

    def _first_method(self, format: str) -> Method:
        methods = encoder_of(format).methods
        return methods[0] if self.statistics else methods[-1]

    def _encoded(self, weights: Tensor, format: str, method: Method) -> EncodedLayer:
        (matrix,) = encoder_of(format).encode([weights], method, self._inputs, self.workers, None)
        return self._judged(weights, matrix, method)

    def _judged(self, weights: Tensor, matrix: Matrix, method: Method) -> EncodedLayer:
        found = real_weights(matrix)
        if self.statistics is None:
            return EncodedLayer(matrix, LayerReport(matrix.name, method, row_error=worst_row_error(weights, found)))
        plain, capped = self.statistics.calibration.output_errors(weights, found)
        worst = max(self.statistics.held_out.output_errors(weights, found))
        report = LayerReport(matrix.name, method, plain, capped, worst, all_experts=self.statistics.all_experts)
        return EncodedLayer(matrix, report)
