"""Plain FP16 weights, the baseline that every speed-up is measured against. Needs no torch."""

from dataclasses import dataclass
from typing import ClassVar

from formats.block import signed_bits

FP16 = "fp16"
"""What devices and files call the format."""


@dataclass(frozen=True)
class Fp16Format:
    """Plain FP16 weights, the baseline: a lane's word is ``block_size`` weights of one row.

    Eight weights per word, fewer where the port is narrower than that.
    Weights below 256 in magnitude (exponent field up to ``maximum_exponent``) keep every sum exact
    in 64 bits: an 11-bit significand shifted by at most 21 places is below 2^32, times 2^15 for a
    16-bit activation and 2^15 columns below 2^62.
    """

    name: str = FP16
    block_size: int = 8
    maximum_exponent: int = 22

    table_blocks: ClassVar[int] = 0
    rows_a_table: ClassVar[int] = 0
    table_entries: ClassVar[int] = 0
    has_own_lanes: ClassVar[bool] = True

    @property
    def word_bits(self) -> int:
        """Bits of a lane's word."""
        return 16 * self.block_size

    def blocks(self, columns: int) -> int:
        """Blocks in a row of ``columns`` weights."""
        return -(-columns // self.block_size)

    def accumulator_bits(self, columns: int, activation_bits: int) -> int:
        """Signed bits that hold any row's sum, in units of 2^-24."""
        padded = self.blocks(columns) * self.block_size
        largest = 2047 << (self.maximum_exponent - 1)
        return signed_bits(padded * largest << (activation_bits - 1))
