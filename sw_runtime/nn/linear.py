"""A linear layer whose weights are stored as block words."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.matrices import EncodedMatrix, Matrix
from formats.presets import PRESETS
from formats.storage import check_seeds, pack_rows, unpack_rows
from sw_runtime.nn.device_linear import DeviceLinear, check_padding, check_scales


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
        InputError
            If a word has seed 0, as in a layer that nothing was loaded into.
        """
        words = unpack_rows(self.stored_weight.cpu(), self.block_format, self.in_features)
        check_seeds(words, self.block_format)
        return EncodedMatrix(self.block_format, words, self.weight_scale.cpu().float(), self.in_features)

    @classmethod
    def empty(cls, in_features: int, out_features: int, format_name: str, bias: bool) -> "SeedLinear":
        """A layer that waits for its words."""
        return cls(in_features, out_features, PRESETS[format_name], bias)

    @staticmethod
    def stored_tensors(matrix: Matrix) -> dict[str, Tensor]:
        """Words and scales as a file holds them, by the names of the buffers."""
        assert isinstance(matrix, EncodedMatrix)
        scales = matrix.scales if matrix.shares_scale else matrix.scales.bfloat16()
        return {"weight": pack_rows(matrix.words, matrix.block_format), "weight_scale": scales}

    def stored_matrix(self) -> Matrix:
        """``encoded_matrix``."""
        return self.encoded_matrix()

    def checks(self) -> dict[str, Callable[[Tensor], None]]:
        """What to check of each stored tensor."""
        check = partial(check_scales, zero=self.block_format.exponent_bits == 0)
        return {"weight": self._check_words, "weight_scale": check}

    def _check_words(self, stored: Tensor) -> None:
        words = unpack_rows(stored, self.block_format, self.in_features)
        check_seeds(words, self.block_format)
        check_padding(stored, pack_rows(words, self.block_format))
