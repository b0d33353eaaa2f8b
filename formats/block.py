"""How a block of weights is laid out in memory, and every width that follows from it.

A block stands for ``block_size`` (C) consecutive weights of a row. Its word holds, from bit 0,

====================  =======  ======================================================
field                 bits     meaning
====================  =======  ======================================================
seed                  K        state of a K-bit LFSR, never 0
exponent              E        two's complement; absent in the scaled formats
coefficient q_0 … P-1 B each   two's complement
====================  =======  ======================================================

``scaled-4bit``, 32 bits (C 8, P 6, K 14, B 3)::

     31  29 28  26 25  23 22  20 19  17 16  14 13                   0
    +------+------+------+------+------+------+----------------------+
    | q_5  | q_4  | q_3  | q_2  | q_1  | q_0  | seed                 |
    +------+------+------+------+------+------+----------------------+

``paper-4bit``, 32 bits (C 8, P 3, K 16, E 4, B 4)::

     31   28 27   24 23   20 19      16 15                          0
    +-------+-------+-------+----------+-----------------------------+
    |  q_2  |  q_1  |  q_0  | exponent | seed                        |
    +-------+-------+-------+----------+-----------------------------+

The C·P states after the seed fill a matrix V row by row. With ``v = V[c, p] mod 2^b``

* paper formats (SeedLM §3): ``w_c = 2^exponent / (2^(K-1) - 1) * sum_p (v - 2^(b-1)) * q_p``
* scaled formats: ``w_c = row_scale * sum_p (2 v - 2^b + 1) * (2 q_p + 1)``
"""

from dataclasses import dataclass
from typing import ClassVar

from formats.arguments import check_integers, check_types
from formats.errors import InputError

LFSR_TAPS: dict[int, tuple[int, ...]] = {
    **dict.fromkeys((2, 3, 4, 6, 7, 15, 22), (0, 1)),
    **dict.fromkeys((5, 11, 21), (0, 2)),
    **dict.fromkeys((10, 17, 20), (0, 3)),
    **dict.fromkeys((13, 19), (0, 1, 2, 5)),
    8: (0, 2, 3, 4),
    9: (0, 4),
    12: (0, 1, 2, 8),
    14: (0, 1, 2, 12),
    16: (0, 1, 3, 12),
    18: (0, 7),
    23: (0, 5),
    24: (0, 1, 2, 7),
}
"""Taps of the right-shift Fibonacci LFSR for each width (SeedLM appendix A.1): the new top bit of
the register is the XOR of these bits. Each gives the full period ``2^K - 1``."""


def signed_bits(maximum: int) -> int:
    """Bits of a two's complement number that holds every value from ``-maximum`` to ``maximum``."""
    return maximum.bit_length() + 1


@dataclass(frozen=True)
class BlockFormat:
    """One way to store a block of weights.

    Parameters
    ----------
    name
        What files, commands and tables call the format.
    block_size
        Weights a block, C.
    latent_dim
        Coefficients a block, P.
    lfsr_bits
        Bits of the LFSR and of a seed, K: 2 to 24.
    exponent_bits
        Bits of the block's exponent, E. 0 means one scale per row instead.
    coefficient_bits
        Bits of a coefficient, B.
    entry_bits
        Low bits of a state that make an entry, b; K when not given.
    odd_coefficients
        Entries and coefficients are odd integers (``2 v - 2^b + 1`` and ``2 q + 1``).

    Raises
    ------
    InputError
        If a parameter is of another type or out of range, naming it, or a word is wider than 63 bits.
    """

    name: str
    block_size: int
    latent_dim: int
    lfsr_bits: int
    exponent_bits: int
    coefficient_bits: int
    entry_bits: int = 0
    odd_coefficients: bool = False

    table_blocks: ClassVar[int] = 0
    rows_a_table: ClassVar[int] = 0
    table_entries: ClassVar[int] = 0
    has_own_lanes: ClassVar[bool] = False
    register_bits: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_types(name=(self.name, str), odd_coefficients=(self.odd_coefficients, bool))
        check_integers(lfsr_bits=(self.lfsr_bits, range(2, 25)))
        if not self.entry_bits:
            object.__setattr__(self, "entry_bits", self.lfsr_bits)
        check_integers(
            block_size=(self.block_size, range(1, 65)),
            latent_dim=(self.latent_dim, range(1, 17)),
            exponent_bits=(self.exponent_bits, range(6)),
            coefficient_bits=(self.coefficient_bits, range(1, 9)),
            entry_bits=(self.entry_bits, range(1, self.lfsr_bits + 1)),
        )
        if self.word_bits > 63:  # a word is one non-negative int64 wherever tensors hold it
            raise InputError(f"{self.name} has block words of {self.word_bits} bits; at most 63 are supported")

    @property
    def has_row_scales(self) -> bool:
        """Whether every row has a scale of its own, as in the scaled formats."""
        return not self.exponent_bits

    @property
    def taps(self) -> tuple[int, ...]:
        """Register bits whose XOR is the next bit of the stream."""
        return LFSR_TAPS[self.lfsr_bits]

    @property
    def seeds(self) -> int:
        """Number of seeds, ``2^K - 1``; they run from 1 to this number."""
        return (1 << self.lfsr_bits) - 1

    @property
    def word_bits(self) -> int:
        """Bits of a block word."""
        return self.lfsr_bits + self.exponent_bits + self.latent_dim * self.coefficient_bits

    @property
    def bits_per_weight(self) -> float:
        """Stored bits per weight, the row scale left out (SeedLM Eq. 3)."""
        return self.word_bits / self.block_size

    @property
    def coefficient_limits(self) -> tuple[int, int]:
        """Least and greatest stored coefficient q."""
        half = 1 << (self.coefficient_bits - 1)
        return -half, half - 1

    @property
    def exponent_limits(self) -> tuple[int, int]:
        """Least and greatest exponent; (0, 0) where the format has none."""
        half = (1 << self.exponent_bits) >> 1
        return -half, max(half - 1, 0)

    @property
    def maximum_shift(self) -> int:
        """Greatest left shift ``exponent - least exponent`` of the integer datapath."""
        low, high = self.exponent_limits
        return high - low

    @property
    def maximum_entry(self) -> int:
        """Greatest magnitude of an integer entry of the matrix.

        Plain entries are ``v - 2^(b-1)``. A full state is never 0, so ``b = K`` stays one short of
        ``-2^(b-1)``.
        """
        if self.odd_coefficients:
            return (1 << self.entry_bits) - 1
        half = 1 << (self.entry_bits - 1)
        return half - 1 if self.entry_bits == self.lfsr_bits else half

    @property
    def maximum_coefficient(self) -> int:
        """Greatest magnitude of a coefficient as it multiplies (``q`` or ``2 q + 1``)."""
        if self.odd_coefficients:
            return (1 << self.coefficient_bits) - 1
        return 1 << (self.coefficient_bits - 1)

    @property
    def maximum_sum(self) -> int:
        """Bound of the integer weight before the exponent: ``|sum_p entry * coefficient|``."""
        return self.latent_dim * self.maximum_entry * self.maximum_coefficient

    @property
    def sum_bits(self) -> int:
        """Signed bits of the integer weight before the exponent."""
        return signed_bits(self.maximum_sum)

    @property
    def maximum_weight(self) -> int:
        """Bound of the integer weight with its exponent applied as a left shift."""
        return self.maximum_sum << self.maximum_shift

    def blocks(self, columns: int) -> int:
        """Blocks in a row of ``columns`` weights; the last one is padded with zeros."""
        return -(-columns // self.block_size)

    def row_bytes(self, columns: int) -> int:
        """Bytes of a stored row: its words bit by bit without gaps, rounded up to a byte."""
        return -(-self.blocks(columns) * self.word_bits // 8)

    def accumulator_bits(self, columns: int, activation_bits: int) -> int:
        """Signed bits that hold any row's sum.

        Bound: ``columns`` weights of at most ``maximum_weight``, times activations of at most
        ``2^(activation_bits - 1)``.
        """
        padded = self.blocks(columns) * self.block_size
        return signed_bits(padded * self.maximum_weight << (activation_bits - 1))

    def pack(self, seed: int, exponent: int, coefficients: tuple[int, ...]) -> int:
        """Put a seed, an exponent and P stored coefficients into a block word.

        Raises
        ------
        InputError
            If a field does not fit, naming the field and its limits.
        """
        if not 1 <= seed <= self.seeds:
            raise InputError(f"seed must be 1 to {self.seeds}, not {seed!r}")
        if len(coefficients) != self.latent_dim:
            raise InputError(f"{self.name} takes {self.latent_dim} coefficients, not {len(coefficients)}")
        word, offset = seed, self.lfsr_bits
        fields = [("exponent", exponent, self.exponent_bits, self.exponent_limits)]
        fields += [("coefficient", q, self.coefficient_bits, self.coefficient_limits) for q in coefficients]
        for field, value, bits, (low, high) in fields:
            if not low <= value <= high:
                raise InputError(f"{field} must be {low} to {high}, not {value!r}")
            word |= (value & ((1 << bits) - 1)) << offset
            offset += bits
        return word

    def unpack(self, word: int) -> tuple[int, int, tuple[int, ...]]:
        """Take a block word apart into seed, exponent and P stored coefficients.

        Raises
        ------
        InputError
            If the word does not fit its bits or its seed is 0.
        """
        if word >> self.word_bits or word < 0:
            raise InputError(f"a {self.name} word has {self.word_bits} bits, got {word:#x}")
        seed = word & self.seeds
        if not seed:
            raise InputError(f"block word {word:#x} has seed 0, which no LFSR can leave")
        word >>= self.lfsr_bits
        values = []
        for bits in (self.exponent_bits, *[self.coefficient_bits] * self.latent_dim):
            value = word & ((1 << bits) - 1)
            values.append(value - (1 << bits) if bits and value >> (bits - 1) else value)
            word >>= bits
        return seed, values[0], tuple(values[1:])
