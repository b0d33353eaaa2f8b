"""A linear layer whose weights are codes into tables."""

from collections.abc import Callable

import torch
from torch import Tensor

from formats.errors import InputError
from formats.matrices import Matrix
from formats.palette import PaletteMatrix
from formats.palette_format import PALETTES, ROWS_A_TABLE
from formats.storage import code_row_bytes, pack_codes, unpack_codes
from sw_runtime.nn.device_linear import DeviceLinear, check_scales


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
        self.code_bits = PALETTES[format_name].code_bits
        row_bytes = code_row_bytes(in_features, self.code_bits)
        super().__init__(in_features, out_features, row_bytes, format_name, bias)
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
        return {"weight": self._check_codes, "weight_scale": check_scales}

    def _check_codes(self, stored: Tensor) -> None:
        codes = unpack_codes(stored, self.code_bits, self.in_features)
        spare = (pack_codes(codes, self.code_bits) != stored).any(dim=1)
        if spare.any():
            raise InputError(f"padding bits of row {int(spare.nonzero()[0])} are not zero; the file is damaged")
