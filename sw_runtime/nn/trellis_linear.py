"""A linear layer whose weights are stored as paths through a trellis."""

from collections.abc import Callable

import torch
from torch import Tensor

from formats.errors import DependencyError
from formats.matrices import Matrix
from formats.presets import TRELLIS_PRESETS
from formats.storage import pack_rows, unpack_rows
from formats.trellis import TrellisFormat
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.host.packed_rows import PackedRows
from sw_runtime.host.trellis import TrellisRows
from sw_runtime.nn.device_linear import DeviceLinear, check_padding, check_scales


def _triton_rows(trellis_format: TrellisFormat, stored: Tensor, scales: Tensor, columns: int) -> PackedRows:
    """``TritonTrellisRows``, imported when they are first needed: Triton is not everywhere."""
    try:
        from sw_runtime.host.triton_trellis import TritonTrellisRows
    except ImportError as error:
        raise DependencyError(
            "a model that stays compressed on a GPU needs Triton: pip install 'seedloom[gpu]', "
            "or load it with host='decoded'"
        ) from error
    return TritonTrellisRows(trellis_format, stored, scales, columns)


KERNELS: dict[str, Callable[[TrellisFormat, Tensor, Tensor, int], PackedRows]] = {
    "cpu": TrellisRows,
    "cuda": _triton_rows,
}
"""What multiplies packed rows, by the type of the torch device where they lie."""


class TrellisLinear(DeviceLinear):
    """``hidden_states @ weightsᵀ + bias``, the weights trellis words.

    Buffers
    -------
    weight
        uint8 [out_features, row_bytes], packed trellis words; every word is valid.
    weight_scale
        bfloat16 [out_features]; ``to(dtype)`` leaves it alone.
    bias
        [out_features], or None.

    Parameters
    ----------
    in_features, out_features
        Columns and rows of the weight matrix.
    trellis_format
        How the weights are stored.
    bias
        Whether there is a bias.
    """

    weight_scale: Tensor

    def __init__(self, in_features: int, out_features: int, trellis_format: TrellisFormat, bias: bool = False) -> None:
        super().__init__(in_features, out_features, trellis_format.row_bytes(in_features), trellis_format.name, bias)
        self.trellis_format = trellis_format
        self.register_buffer("weight_scale", torch.zeros(out_features, dtype=torch.bfloat16))

    @classmethod
    def empty(cls, in_features: int, out_features: int, format_name: str, bias: bool) -> "TrellisLinear":
        """A layer that waits for its words."""
        return cls(in_features, out_features, TRELLIS_PRESETS[format_name], bias)

    @staticmethod
    def stored_tensors(matrix: Matrix) -> dict[str, Tensor]:
        """Words and scales as a file holds them, by the names of the buffers."""
        assert isinstance(matrix, TrellisMatrix)
        return {
            "weight": pack_rows(matrix.words, matrix.trellis_format),
            "weight_scale": matrix.scales.bfloat16(),
        }

    def stored_matrix(self) -> TrellisMatrix:
        """The stored weights as trellis words, on the CPU."""
        words = unpack_rows(self.stored_weight.cpu(), self.trellis_format, self.in_features)
        return TrellisMatrix(self.trellis_format, words, self.weight_scale.cpu().float(), self.in_features)

    def packed_rows(self) -> PackedRows:
        """The words, multiplied by the kernel of the place where they lie: C on the CPU, Triton on a GPU.

        Raises
        ------
        DependencyError
            If there is no C compiler, or no Triton.
        """
        rows = KERNELS[self.stored_weight.device.type]
        return rows(self.trellis_format, self.stored_weight, self.weight_scale, self.in_features)

    def checks(self) -> dict[str, Callable[[Tensor], None]]:
        """What to check of each stored tensor."""
        return {"weight": self._check_words, "weight_scale": check_scales}

    def _check_words(self, stored: Tensor) -> None:
        words = unpack_rows(stored, self.trellis_format, self.in_features)
        check_padding(stored, pack_rows(words, self.trellis_format))
