"""Palettised weights: codes into tables of 16-bit integers that groups of rows share.

AFM (arXiv 2407.21075) stores its projections so, 16 rows a table of 16 or 4 weights (second-hand);
the layout is that of coremltools and torchao.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from formats.arguments import check_types
from formats.block import signed_bits
from formats.errors import InputError
from formats.palette_format import ROWS_A_TABLE

LIMIT = (1 << 15) - 1
"""Largest magnitude of a table's integers."""


@dataclass(frozen=True)
class PaletteMatrix:
    """A matrix of palettised weights.

    Parameters
    ----------
    codes
        int64 [rows, columns], each the place of a weight in its row's table.
    tables
        int64 [⌈rows / 16⌉, 16 or 4], 16-bit signed integers; rows 16·g … 16·g + 15 read table g.
    scales
        float32 [⌈rows / 16⌉], value of one unit of each table.

    Raises
    ------
    InputError
        If an argument is of another type, a shape is wrong, or a code or an integer out of range, naming it.
    """

    codes: Tensor
    tables: Tensor
    scales: Tensor

    shares_scale: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_types(codes=(self.codes, Tensor), tables=(self.tables, Tensor), scales=(self.scales, Tensor))
        if self.codes.dtype != torch.int64 or self.codes.dim() != 2:
            raise InputError(f"codes must be int64 [rows, columns], not {self.codes.dtype} {list(self.codes.shape)}")
        groups = -(-self.codes.shape[0] // ROWS_A_TABLE)
        if self.tables.shape not in ((groups, 16), (groups, 4)):
            raise InputError(f"tables must be [{groups}, 16] or [{groups}, 4], not {list(self.tables.shape)}")
        if self.scales.shape != (groups,):
            raise InputError(f"scales must be [{groups}], one a table, not {list(self.scales.shape)}")
        entries = self.tables.shape[1]
        if ((self.codes < 0) | (self.codes >= entries)).any():
            raise InputError(f"codes must be 0 to {entries - 1}; found {self.codes.min()} to {self.codes.max()}")
        if (self.tables.abs() > LIMIT).any():
            raise InputError(f"tables must hold integers within ±{LIMIT}; found {self.tables.abs().max()}")

    @property
    def name(self) -> str:
        """Name of the weight format."""
        return f"palette-{self.code_bits}bit"

    @property
    def code_bits(self) -> int:
        """Bits of a code."""
        return self.tables.shape[1].bit_length() - 1

    @property
    def rows(self) -> int:
        """Number of rows (output features)."""
        return self.codes.shape[0]

    @property
    def columns(self) -> int:
        """Weights a row."""
        return self.codes.shape[1]

    def integers(self) -> Tensor:
        """Every weight in units of its table: int64 [rows, columns]."""
        return self.tables[table_of_rows(self.rows)[:, None], self.codes]

    def unit_scales(self) -> Tensor:
        """Value of one unit of every row: float32 [rows]."""
        return self.scales[table_of_rows(self.rows)]

    def check_format(self) -> None:
        """A palette's name says all of its format."""

    def accumulator_bits(self, activation_bits: int) -> int:
        """Signed bits that hold any result: magnitudes of at most ``LIMIT``, a column each."""
        return signed_bits(LIMIT * self.columns << (activation_bits - 1))

    def lane_words(self, block_size: int) -> NDArray[np.uint8]:
        """Codes, the first lowest: uint8 [rows, blocks, 4]."""
        padded = torch.nn.functional.pad(self.codes, (0, -self.columns % block_size))
        places = torch.arange(block_size) * self.code_bits
        words = (padded.view(self.rows, -1, block_size) << places).sum(dim=-1)
        return words.numpy().astype("<u4").view(np.uint8).reshape(self.rows, -1, 4)

    def table_bytes(self, groups: int, lanes: int) -> NDArray[np.uint8]:
        """Every row group's table, two bytes an entry: uint8 [groups, 2 · entries]."""
        table_of_group = torch.arange(groups) * lanes // ROWS_A_TABLE
        return self.tables[table_of_group].numpy().astype("<i2").view(np.uint8)

    def without_weights(self) -> "PaletteMatrix":
        """Tables and scales; the codes stay behind."""
        return replace(self, codes=self.codes.new_empty(self.rows, 0))


def table_of_rows(rows: int) -> Tensor:
    """Which table each row reads: int64 [rows]."""
    return torch.arange(rows) // ROWS_A_TABLE


def quantise_tables(tables: Tensor) -> tuple[Tensor, Tensor]:
    """Tables of real weights [groups, entries] as 16-bit integers and a scale each; zeros have scale 1."""
    largest = tables.double().abs().amax(dim=1)
    scales = torch.where(largest > 0, largest / LIMIT, 1.0).float()
    return (tables.double() / scales.double()[:, None]).round().clamp(-LIMIT, LIMIT).long(), scales
