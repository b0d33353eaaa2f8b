"""A linear layer whose weights are stored as block words."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.matrices import EncodedMatrix, Matrix
from formats.storage import unpack_rows
from sw_runtime.decode import decode
from sw_runtime.nn.device_linear import DeviceLinear


class SeedLinear(DeviceLinear):
    """``hidden_states @ weightsᵀ + bias``, the weights block words.

    Buffers
    -------
    weight
        uint8 [out_features, row_bytes], packed block words.
    weight_scale
        bfloat16 [out_features] (scaled formats) or float32 [1] (paper formats); ``to(dtype)`` leaves it alone.
    bias
        [out_features], or None.

    Parameters
    ----------
    in_features, out_features
        Columns and rows of the weight matrix.
    block_format
        How the weights are stored.
    bias
        Whether there is a bias.
    """

    weight_scale: Tensor

    def __init__(self, in_features: int, out_features: int, block_format: BlockFormat, bias: bool = False) -> None:
        super().__init__(in_features, out_features, block_format.row_bytes(in_features), block_format.name, bias)
        self.block_format = block_format
        one_scale = block_format.exponent_bits > 0
        scales, scale_dtype = (1, torch.float32) if one_scale else (out_features, torch.bfloat16)
        self.register_buffer("weight_scale", torch.zeros(scales, dtype=scale_dtype))

    def encoded_matrix(self) -> EncodedMatrix:
        """The stored weights as block words, on the CPU.

        Raises
        ------
        ValueError
            If a word has seed 0, as in a layer that nothing was loaded into.
        """
        words = unpack_rows(self.weight.cpu(), self.block_format, self.in_features)
        return EncodedMatrix(self.block_format, words, self.weight_scale.cpu().float(), self.in_features)

    def stored_matrix(self) -> Matrix:
        """``encoded_matrix``."""
        return self.encoded_matrix()

    def without_weights(self, matrix: Matrix) -> Matrix:
        """The scales; the words, 8 bytes a block, are on the device."""
        assert isinstance(matrix, EncodedMatrix)
        return replace(matrix, words=matrix.words.new_empty(self.out_features, 0))

    def decoded(self, dtype: torch.dtype) -> Tensor:
        """The weights, [out_features, in_features] of a float dtype, on the CPU."""
        return decode(self.encoded_matrix(), dtype)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "SeedLinear":
        """Move buffers as ``fn`` does, but keep the scale's dtype: 16-bit floats of the other kind would round it."""
        scale = self.weight_scale
        super()._apply(fn, recurse)
        if self.weight_scale.dtype != scale.dtype:
            self.weight_scale = scale.to(self.weight.device)
        return self
