"""A linear layer kept in 16 bits beside compressed ones, on a device's FP16 lanes."""

from collections.abc import Callable

import torch
from torch import Tensor

from formats.fp16 import FP16
from formats.matrices import Fp16Matrix, Matrix
from sw_runtime.host.fp16 import Fp16Rows
from sw_runtime.nn.device_linear import DeviceLinear


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

    @classmethod
    def empty(cls, in_features: int, out_features: int, format_name: str, bias: bool) -> "Fp16Linear":
        """A layer that waits for its bytes."""
        return cls(in_features, out_features, bias)

    @staticmethod
    def stored_tensors(matrix: Matrix) -> dict[str, Tensor]:
        """The bytes of the weights, by the name of the buffer."""
        assert isinstance(matrix, Fp16Matrix)
        return {"weight": matrix.weights.contiguous().view(torch.uint8)}

    def stored_matrix(self) -> Matrix:
        """The weights as an FP16 lane takes them, on the CPU.

        Raises
        ------
        InputError
            If a weight is not finite or not below 256 in magnitude.
        """
        return Fp16Matrix(self.stored_weight.cpu().view(torch.float16))

    def packed_rows(self) -> Fp16Rows:
        """The float16 numbers, a few rows at a time in the dtype of the hidden states."""
        return Fp16Rows(self.stored_weight.view(torch.float16))

    def checks(self) -> dict[str, Callable[[Tensor], None]]:
        """Weights must be such as FP16 lanes take."""
        return {"weight": _check_weights}

    def decoded(self, dtype: torch.dtype) -> Tensor:
        """The weights themselves: [out_features, in_features], on the CPU."""
        return self.stored_weight.cpu().view(torch.float16).to(dtype)


def _check_weights(stored: Tensor) -> None:
    Fp16Matrix(stored.view(torch.float16))
