"""A linear layer whose weights are codes into tables."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from formats.matrices import Matrix
from formats.palette import PaletteMatrix
from formats.palette_format import ROWS_A_TABLE
from formats.presets import PALETTES
from formats.storage import pack_codes, unpack_codes
from sw_runtime.nn.device_linear import DeviceLinear, check_padding, check_scales


class PaletteLinear(DeviceLinear):
    """``hidden_states @ weightsᵀ + bias``, the weights codes into tables that 16 rows share.

    Buffers
    -------
    weight
        uint8 [out_features, row_bytes], codes of 4 or 2 bits, lowest first.
    weight_table
        int16 [⌈out_features / 16⌉, 16 or 4], ``PaletteMatrix.tables``.
    weight_scale
        float32 [⌈out_features / 16⌉], value of one unit of each table; ``to(dtype)`` leaves it alone.
    bias
        [out_features], or None.
    """

    weight_table: Tensor
    weight_scale: Tensor

    def __init__(self, in_features: int, out_features: int, format_name: str, bias: bool = False) -> None:
        palette = PALETTES[format_name]
        self.code_bits = palette.code_bits
        super().__init__(in_features, out_features, palette.row_bytes(in_features), format_name, bias)
        groups = -(-out_features // ROWS_A_TABLE)
        self.register_buffer("weight_table", torch.zeros(groups, 1 << self.code_bits, dtype=torch.int16))
        self.register_buffer("weight_scale", torch.zeros(groups))

    @classmethod
    def empty(cls, in_features: int, out_features: int, format_name: str, bias: bool) -> "PaletteLinear":
        """A layer that waits for its bytes."""
        return cls(in_features, out_features, format_name, bias)

    @staticmethod
    def stored_tensors(matrix: Matrix) -> dict[str, Tensor]:
        """A matrix as a file holds it, by the names of the buffers."""
        assert isinstance(matrix, PaletteMatrix)
        return {
            "weight": pack_codes(matrix.codes, matrix.code_bits),
            "weight_table": matrix.tables.to(torch.int16),
            "weight_scale": matrix.scales.clone(),
        }

    def stored_matrix(self) -> PaletteMatrix:
        """The stored weights as codes and tables, on the CPU."""
        codes = unpack_codes(self.stored_weight.cpu(), self.code_bits, self.in_features)
        return PaletteMatrix(codes, self.weight_table.cpu().long(), self.weight_scale.cpu())

    def checks(self) -> dict[str, Callable[[Tensor], None]]:
        """What to check of each stored tensor."""
        return {"weight": self._check_codes, "weight_scale": partial(check_scales, zero=False)}

    def _check_codes(self, stored: Tensor) -> None:
        codes = unpack_codes(stored, self.code_bits, self.in_features)
        check_padding(stored, pack_codes(codes, self.code_bits))
