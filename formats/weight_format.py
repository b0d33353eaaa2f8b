"""What an engine has to know of a weight format: the shape of its words, and how large its sums grow.

A family of formats (block words of seeds, palettes, plain FP16) is a class with these members. Nothing that
lays out beats, counts cycles or sizes hardware asks which family it has in hand.
"""

from typing import Protocol


class WeightFormat(Protocol):
    """How weights lie in the words of a lane. Needs no torch."""

    @property
    def name(self) -> str:
        """What files, commands and tables call it."""

    @property
    def block_size(self) -> int:
        """Weights per lane word, C."""

    @property
    def word_bits(self) -> int:
        """Bits of a lane word."""

    @property
    def table_blocks(self) -> int:
        """Beats of a table that every row group starts with; 0 for formats without tables."""

    @property
    def rows_a_table(self) -> int:
        """Rows that share a table; 0 for formats without tables."""

    @property
    def table_entries(self) -> int:
        """Weights in a table; 0 for formats without tables."""

    @property
    def has_own_lanes(self) -> bool:
        """Whether lanes of its own multiply it, instead of a weight source before the shared multipliers."""

    def __hash__(self) -> int:
        """Formats name what is kept of them."""

    def blocks(self, columns: int) -> int:
        """Column blocks of a row of ``columns`` weights, those of its table included."""

    def accumulator_bits(self, columns: int, activation_bits: int) -> int:
        """Signed bits that hold any row's sum."""


class LaneFormat(WeightFormat, Protocol):
    """A format that a weight source decodes in front of the shared multipliers."""

    @property
    def sum_bits(self) -> int:
        """Signed bits of an integer weight before its exponent."""

    @property
    def register_bits(self) -> int:
        """Bits of the words before that a word's weights depend on, at most; 0 where a word stands alone."""

    @property
    def exponent_bits(self) -> int:
        """Bits of a block's exponent; 0 for formats without."""

    @property
    def maximum_weight(self) -> int:
        """Largest magnitude of an integer weight, its exponent applied."""
