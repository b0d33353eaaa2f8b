"""Palettes as an engine sees them: codes into tables that groups of rows share. Needs no torch."""

from dataclasses import dataclass
from typing import ClassVar

from formats.arguments import check_integers
from formats.block import signed_bits

ROWS_A_TABLE = 16
"""Rows that read one table."""


@dataclass(frozen=True)
class Palette:
    """A palette format, whatever the engine.

    Parameters
    ----------
    code_bits
        Bits of a code: 4 or 2, tables of 16 or 4 weights.

    Raises
    ------
    InputError
        If codes have other bits: no table, file or lane holds such.
    """

    code_bits: int

    has_row_scales: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_integers(code_bits=(self.code_bits, (2, 4)))

    @property
    def name(self) -> str:
        """What files, commands and tables call it."""
        return f"palette-{self.code_bits}bit"

    @property
    def codes_a_word(self) -> int:
        """Codes in a lane's word."""
        return PaletteFormat.word_bits // self.code_bits

    @property
    def bits_per_weight(self) -> float:
        """Stored bits per weight, the tables left out."""
        return float(self.code_bits)

    def row_bytes(self, columns: int) -> int:
        """Bytes of a row of codes, rounded up to a byte."""
        return -(-columns * self.code_bits // 8)


@dataclass(frozen=True)
class PaletteFormat:
    """Codes into a table of 16-bit weights that 16 rows share (AFM, arXiv 2407.21075): a lane's word is
    ``block_size`` codes of one row.

    A row group starts with its table, which takes the place of column blocks: the host puts as many
    blocks of zeros before the activations, so what the lanes make of the table adds nothing.

    Parameters
    ----------
    code_bits
        4 or 2: tables of 16 or 4 weights.
    table_blocks
        Beats that hold a table.
    """

    name: str
    code_bits: int
    block_size: int
    table_blocks: int

    word_bits: ClassVar[int] = 32
    rows_a_table: ClassVar[int] = ROWS_A_TABLE
    has_own_lanes: ClassVar[bool] = False
    register_bits: ClassVar[int] = 0
    exponent_bits: ClassVar[int] = 0
    sum_bits: ClassVar[int] = 16
    """Signed bits of a weight."""
    maximum_weight: ClassVar[int] = 1 << 15
    """Largest magnitude of a weight."""

    @property
    def table_entries(self) -> int:
        """Weights in a table."""
        return 1 << self.code_bits

    def blocks(self, columns: int) -> int:
        """Blocks in a row of ``columns`` weights, those of the table included."""
        return self.table_blocks - (-columns // self.block_size)

    def accumulator_bits(self, columns: int, activation_bits: int) -> int:
        """Signed bits that hold any row's sum."""
        padded = self.blocks(columns) * self.block_size
        return signed_bits(padded * self.maximum_weight << (activation_bits - 1))
