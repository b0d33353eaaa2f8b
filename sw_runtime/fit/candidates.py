"""Several ways to encode a matrix, and the check that none is used that spoils the layer's output."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from formats.fp16 import FP16
from formats.matrices import Matrix, real_weights
from sw_runtime.fit.covariance import InputStatistics
from sw_runtime.fit.encoders import Inputs, encoder_of
from sw_runtime.fit.report import LayerReport, Method

TOLERANCE = 1.4
"""Output errors up to this many ordinary errors are accepted."""


@dataclass(frozen=True)
class EncodedLayer:
    """A layer's weights as they are stored, with what is known of their quality."""

    matrix: Matrix
    report: LayerReport

    @property
    def is_sound(self) -> bool:
        """Whether the layer's output is about as good as its format makes it on ordinary weights."""
        ordinary = encoder_of(self.matrix.name).ordinary_error
        return ordinary is None or self.report.worst <= TOLERANCE * ordinary


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
        self._inputs = Inputs(statistics)

    def encode(
        self, weights: list[Tensor], format: str, progress: Callable[[int], object] | None = None
    ) -> list[EncodedLayer]:
        """The best sound encoding of every matrix: [rows, columns] each, of one number of columns.

        The format's preferred method is tried first, on all matrices together. A matrix whose output it
        spoils takes the better of the other methods, then of the next format's, and at last is rounded to FP16.

        Raises
        ------
        InputError
            If there is no such format.
        """
        encoder = encoder_of(format)
        method = encoder.methods[0] if self.statistics else encoder.methods[-1]
        matrices = encoder.encode(weights, method, self._inputs, self.threads, progress)
        return [self._sound(w, self._judged(w, m, method)) for w, m in zip(weights, matrices, strict=True)]

    def _sound(self, weights: Tensor, layer: EncodedLayer) -> EncodedLayer:
        """The layer itself if it is sound, or the first better one that is."""
        while not layer.is_sound:
            name = layer.matrix.name
            others = [self._encoded(weights, name, method) for method in encoder_of(name).methods[1:]]
            layer = min([layer, *others], key=lambda candidate: candidate.report.worst)
            if not layer.is_sound:
                following = encoder_of(name).next or FP16
                layer = self._encoded(weights, following, encoder_of(following).methods[0])
        return layer

    def _encoded(self, weights: Tensor, format: str, method: Method) -> EncodedLayer:
        (matrix,) = encoder_of(format).encode([weights], method, self._inputs, self.threads, None)
        return self._judged(weights, matrix, method)

    def _judged(self, weights: Tensor, matrix: Matrix, method: Method) -> EncodedLayer:
        if self.statistics is None:
            return EncodedLayer(matrix, LayerReport(matrix.name, method))
        found = real_weights(matrix)
        plain, capped = self.statistics.calibration.output_errors(weights, found)
        worst = max(self.statistics.held_out.output_errors(weights, found))
        return EncodedLayer(matrix, LayerReport(matrix.name, method, plain, capped, worst))
