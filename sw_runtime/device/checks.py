"""What every device refuses, in the same words."""

import torch
from torch import Tensor

from formats.engine import RESULT_BITS
from formats.errors import DeviceError
from formats.matrices import Matrix
from sw_runtime.device.protocol import DeviceInfo


def check_matrix(info: DeviceInfo, matrix: Matrix) -> None:
    """Refuse a matrix the device cannot multiply by.

    Raises
    ------
    DeviceError
        If it is no matrix, the device does not take the format, or it is too large, naming the limit.
    """
    if not hasattr(matrix, "check_format"):
        raise DeviceError(f"a device takes a matrix of formats.matrices.Matrix, not {matrix!r}")
    name = matrix.name
    if name not in info.formats:
        raise DeviceError(f"the device does not take {name}; it takes {', '.join(info.formats)}")
    matrix.check_format()
    size = f"[{matrix.rows}, {matrix.columns}]"
    if not matrix.rows or not matrix.columns:
        raise DeviceError(f"a matrix needs rows and columns, got {size}")
    if matrix.rows > info.maximum_rows or matrix.columns > info.maximum_columns:
        largest = f"[{info.maximum_rows}, {info.maximum_columns}]"
        raise DeviceError(f"the matrix {size} is larger than the device's maximum {largest}")
    needed = matrix.accumulator_bits(info.activation_bits)
    if needed > RESULT_BITS:
        raise DeviceError(f"sums over {matrix.columns} {name} columns need {needed} bits; a result has {RESULT_BITS}")


def check_activations(info: DeviceInfo, activations: Tensor, columns: int) -> None:
    """Refuse activations the device cannot hold.

    Raises
    ------
    DeviceError
        If the type, shape, dtype or place is wrong, or an activation does not fit its bits, naming the first.
    """
    if not isinstance(activations, Tensor):
        raise DeviceError(f"activations must be an int64 tensor [vectors, {columns}], not {activations!r}")
    if activations.dtype != torch.int64 or activations.dim() != 2 or activations.shape[1] != columns:
        raise DeviceError(
            f"activations must be int64 [vectors, {columns}], not {activations.dtype} {list(activations.shape)}"
        )
    if activations.device.type != "cpu" or activations.layout != torch.strided:
        raise DeviceError(
            f"activations must be a dense tensor on the CPU, not {activations.layout} on {activations.device}"
        )
    limit = 1 << (info.activation_bits - 1)
    outside = (activations < -limit) | (activations >= limit)
    if outside.any():
        vector, column = outside.nonzero()[0].tolist()
        raise DeviceError(
            f"activation [{vector}, {column}] is {activations[vector, column].item()}, which "
            f"{info.activation_bits} signed bits do not hold"
        )
