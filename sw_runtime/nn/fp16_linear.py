"""A linear layer kept in 16 bits beside compressed ones, on a device's FP16 lanes."""

import torch
from torch import Tensor

from formats.matrices import Fp16Matrix, Matrix
from sw_runtime.nn.device_linear import DeviceLinear

FP16 = "fp16"
"""What devices and files call the format."""


def fp16_bytes(weights: Tensor) -> Tensor:
    """Weights [rows, columns], any float dtype, rounded to float16 and stored: uint8 [rows, 2 · columns].

    Raises
    ------
    ValueError
        If a weight is not finite or not below 256 in magnitude, which the lanes do not take.
    """
    return Fp16Matrix(weights.half()).weights.contiguous().view(torch.uint8)


class Fp16Linear(DeviceLinear):
    """``hidden_states @ weightsᵀ + bias``, the weights float16.

    Buffers
    -------
    weight
        uint8 [out_features, 2 · in_features], the bytes of float16 numbers.
    bias
        [out_features], or None.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = False) -> None:
        super().__init__(in_features, out_features, 2 * in_features, FP16, bias)

    def stored_matrix(self) -> Matrix:
        """The weights as an FP16 lane takes them, on the CPU.

        Raises
        ------
        ValueError
            If a weight is not finite or not below 256 in magnitude.
        """
        return Fp16Matrix(self.weight.cpu().view(torch.float16))

    def without_weights(self, matrix: Matrix) -> Matrix:
        """A matrix of no columns: FP16 lanes have one scale, the format's."""
        return Fp16Matrix(torch.empty(self.out_features, 0, dtype=torch.float16))

    def decoded(self, dtype: torch.dtype) -> Tensor:
        """The weights, [out_features, in_features] of a float dtype, on the CPU."""
        return self.weight.cpu().view(torch.float16).to(dtype)
