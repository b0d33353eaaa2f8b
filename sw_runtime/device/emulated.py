"""The accelerator's integers at the speed of a matrix library: exact products out of float64 arithmetic."""

from dataclasses import dataclass

import torch
from torch import Tensor

from golden_models.seedlm.block_format import PRESETS
from golden_models.seedlm.codec import EncodedMatrix
from golden_models.seedlm.datapath import Matrix, accumulator_bits, integer_matrix
from sw_runtime.decode import integer_weights
from sw_runtime.device.protocol import Counters, DeviceInfo

BASELINE = "fp16"
"""Format name of a plain FP16 matrix."""

FORMATS = (*PRESETS, BASELINE)
"""All formats there are."""

EXACT_BITS = 53
"""Float64 holds every integer of at most this many bits, so sums below ``2^53`` never round."""

RESULT_BITS = 64
"""Signed bits of a result."""


@dataclass(frozen=True)
class _LoadedMatrix:
    """Integer weights ready to multiply.

    Parameters
    ----------
    weights
        float64 [rows, columns], every value an integer.
    digit_bits
        Bits of an activation that one product takes without any sum passing ``2^53``.
    """

    weights: Tensor
    digit_bits: int


class EmulatedDevice:
    """A device without hardware: answers with exactly the golden datapath's integers.

    Weights are decoded once, at load, and kept as float64 (8 bytes a weight). An activation is cut
    into as many digits as the matrix needs for exact float64 sums: one for almost every real
    matrix, a few where a row's magnitudes add up to more than ``2^37``.

    Parameters
    ----------
    formats
        Names of the weight formats it takes: presets and ``"fp16"``.
    activation_bits
        Signed bits of an activation, 2 to 16.
    batch
        Vectors that share one pass over the weights.
    maximum_columns, maximum_rows
        Largest matrix it takes.

    Raises
    ------
    ValueError
        If a format or the number of activation bits is none it knows.
    """

    def __init__(
        self,
        formats: tuple[str, ...] = FORMATS,
        activation_bits: int = 16,
        batch: int = 1,
        maximum_columns: int = 1 << 15,
        maximum_rows: int = 1 << 20,
    ) -> None:
        for name in formats:
            if name not in FORMATS:
                raise ValueError(f"no format {name!r}; choose from {', '.join(FORMATS)}")
        if not 2 <= activation_bits <= 16:
            raise ValueError(f"activation_bits must be 2 to 16, not {activation_bits!r}")
        self.counters = Counters()
        self._info = DeviceInfo("emulated", formats, activation_bits, batch, maximum_columns, maximum_rows)
        self._matrices: dict[int, _LoadedMatrix] = {}
        self._next_handle = 1

    def info(self) -> DeviceInfo:
        """What the device can take."""
        return self._info

    def load(self, matrix: Matrix) -> int:
        """Decode a matrix and return its handle.

        Raises
        ------
        ValueError
            If the device does not take the format or the matrix is too large, naming the limit.
        """
        self._check_matrix(matrix)
        integers = integer_weights(matrix) if isinstance(matrix, EncodedMatrix) else integer_matrix(matrix)
        weights = integers.double()
        # Bound: |sum w·x| <= sum |w| · max |x|, and so is every partial sum, in whatever order it is formed.
        row_bound = int(torch.linalg.vector_norm(weights, ord=1, dim=1).max())
        digit_bits = min(self._info.activation_bits, EXACT_BITS - row_bound.bit_length())
        handle, self._next_handle = self._next_handle, self._next_handle + 1
        self._matrices[handle] = _LoadedMatrix(weights, digit_bits)
        return handle

    def matvec(self, handle: int, activations: Tensor) -> Tensor:
        """Multiply: int64 [vectors, columns] → exact int64 [vectors, rows].

        Raises
        ------
        ValueError
            If the handle is unknown, the shape or dtype wrong or an activation does not fit its bits.
        """
        loaded = self._loaded(handle)
        self._check_activations(activations, loaded.weights.shape[1])
        bits, digit_bits = self._info.activation_bits, loaded.digit_bits
        results = torch.zeros(len(activations), len(loaded.weights), dtype=torch.int64)
        for position in range(0, bits, digit_bits):
            digits = activations >> position  # the top digit keeps the sign
            if position + digit_bits < bits:
                digits = digits & ((1 << digit_bits) - 1)
            results += (digits.double() @ loaded.weights.T).long() << position
        return results

    def unload(self, handle: int) -> None:
        """Forget a matrix.

        Raises
        ------
        ValueError
            If the handle is unknown.
        """
        self._loaded(handle)
        del self._matrices[handle]

    def close(self) -> None:
        """Forget all matrices."""
        self._matrices.clear()

    def _loaded(self, handle: int) -> _LoadedMatrix:
        if handle not in self._matrices:
            raise ValueError(f"no matrix with handle {handle!r} on this device; load it first")
        return self._matrices[handle]

    def _check_matrix(self, matrix: Matrix) -> None:
        info = self._info
        name = matrix.block_format.name if isinstance(matrix, EncodedMatrix) else BASELINE
        if name not in info.formats:
            raise ValueError(f"the device does not take {name}; it takes {', '.join(info.formats)}")
        if isinstance(matrix, EncodedMatrix) and matrix.block_format != PRESETS[name]:
            raise ValueError(f"{name} is the name of a preset, and the matrix's format has other parameters")
        size = f"[{matrix.rows}, {matrix.columns}]"
        if not matrix.rows or not matrix.columns:
            raise ValueError(f"a matrix needs rows and columns, got {size}")
        if matrix.rows > info.maximum_rows or matrix.columns > info.maximum_columns:
            largest = f"[{info.maximum_rows}, {info.maximum_columns}]"
            raise ValueError(f"the matrix {size} is larger than the device's maximum {largest}")
        needed = accumulator_bits(matrix, info.activation_bits)
        if needed > RESULT_BITS:
            raise ValueError(
                f"sums over {matrix.columns} {name} columns need {needed} bits; a result has {RESULT_BITS}"
            )

    def _check_activations(self, activations: Tensor, columns: int) -> None:
        if activations.dtype != torch.int64 or activations.dim() != 2 or activations.shape[1] != columns:
            raise ValueError(
                f"activations must be int64 [vectors, {columns}], not {activations.dtype} {list(activations.shape)}"
            )
        limit = 1 << (self._info.activation_bits - 1)
        outside = (activations < -limit) | (activations >= limit)
        if outside.any():
            vector, column = outside.nonzero()[0].tolist()
            raise ValueError(
                f"activation [{vector}, {column}] is {activations[vector, column].item()}, which "
                f"{self._info.activation_bits} signed bits do not hold"
            )
