"""Weights as a shift register fed with fresh bits: the layout, and every width that follows from it.

A row is one bit stream, least significant bit first. Each weight takes its k fresh bits from it, and
is looked up by the last L bits, the window. With ``end`` the stream bits up to and with the weight's own:

* window bit i = stream bit ``end - 1 - i``, and 0 before the row's start;
* index bit j = XOR of the window bits in ``masks[j]``;
* weight = row scale * ``table[index]``, an integer of 8 signed bits.

Eight weights make a word, so that rows are laid out like rows of block words. The window reaches back
over the weights before: a path through a trellis, which a Viterbi search chooses (QTIP, arXiv
2406.11235, §3). The mix by XOR and the small table stand instead of QTIP's arithmetic.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from formats.arguments import check_integers, check_types
from formats.block import signed_bits
from formats.errors import InputError

WORD_WEIGHTS = 8
"""Weights a word, as in the scaled block formats."""

WEIGHT_BITS = 8
"""Signed bits of a weight."""


@dataclass(frozen=True)
class TrellisFormat:
    """One way to store rows of weights as paths through a trellis.

    Parameters
    ----------
    name
        What files, commands and tables call the format.
    window_bits
        Stream bits a weight depends on, L: 8 to 16.
    fresh_bits
        Stream bits a weight takes, k, each 1 to 4; two numbers take turns, ``(4, 3)`` being 3.5 bits per weight.
    masks
        Window bits whose XOR is index bit j, for each j: the mix.
    table
        Integer weight of every index, -128 to 127; ``2^len(masks)`` of them.

    Raises
    ------
    InputError
        If a parameter is of another type or out of range, naming it, or the fresh bits of a weight do not reach every
        slice of the table once.
    """

    name: str
    window_bits: int
    fresh_bits: tuple[int, ...]
    masks: tuple[int, ...]
    table: tuple[int, ...]

    table_blocks: ClassVar[int] = 0
    rows_a_table: ClassVar[int] = 0
    table_entries: ClassVar[int] = 0
    has_own_lanes: ClassVar[bool] = False
    has_row_scales: ClassVar[bool] = True
    exponent_bits: ClassVar[int] = 0
    sum_bits: ClassVar[int] = WEIGHT_BITS
    """Signed bits of a weight."""

    def __post_init__(self) -> None:
        tuples = {field: (getattr(self, field), tuple) for field in ("fresh_bits", "masks", "table")}
        check_types(name=(self.name, str), **tuples)
        check_integers(window_bits=(self.window_bits, range(8, 17)))
        if len(self.fresh_bits) not in (1, 2):
            raise InputError(f"fresh_bits must be one or two numbers, not {self.fresh_bits!r}")
        for bits in self.fresh_bits:
            check_integers(fresh_bits=(bits, range(1, 5)))
        if not max(self.fresh_bits) <= len(self.masks) <= self.window_bits:
            raise InputError(
                f"masks must be {max(self.fresh_bits)} to {self.window_bits}, one an index bit, not {len(self.masks)}"
            )
        if not all(isinstance(mask, int) and 0 < mask < 1 << self.window_bits for mask in self.masks):
            raise InputError(f"masks must choose among {self.window_bits} window bits, got {self.masks!r}")
        if len(self.table) != 1 << len(self.masks):
            raise InputError(f"table must hold {1 << len(self.masks)} weights, not {len(self.table)}")
        if not all(isinstance(weight, int) and -128 <= weight <= 127 for weight in self.table):
            raise InputError("table must hold weights of -128 to 127, integers")
        for bits in set(self.fresh_bits):
            if not self._reaches_all_slices(bits):
                raise InputError(f"the {bits} fresh bits of a weight do not reach every slice of the table once")

    def _reaches_all_slices(self, bits: int) -> bool:
        """Whether the newest window bits alone decide the top index bits, each of ``2^bits`` values once."""
        tops = {self.index(fresh) >> (len(self.masks) - bits) for fresh in range(1 << bits)}
        return len(tops) == 1 << bits

    def fresh(self, weight: int) -> int:
        """Stream bits that weight number ``weight`` of a row takes."""
        return self.fresh_bits[weight % len(self.fresh_bits)]

    def index(self, window: int) -> int:
        """Where a window points in the table."""
        return sum(((window & mask).bit_count() & 1) << j for j, mask in enumerate(self.masks))

    @cached_property
    def window_table(self) -> tuple[int, ...]:
        """The integer weight of every window: mix and table in one, ``2^L`` of them."""
        return tuple(self.table[self.index(window)] for window in range(1 << self.window_bits))

    @property
    def code(self) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        """What makes a weight of a window: length, mix, table. Formats of one code differ in their fresh bits."""
        return self.window_bits, self.masks, self.table

    @property
    def index_bits(self) -> int:
        """Bits of the table's index."""
        return len(self.masks)

    @property
    def block_size(self) -> int:
        """Weights a word."""
        return WORD_WEIGHTS

    @property
    def word_bits(self) -> int:
        """Bits of a word of eight weights."""
        return sum(self.fresh(weight) for weight in range(WORD_WEIGHTS))

    @property
    def register_bits(self) -> int:
        """Bits of the words before that a word depends on, at most: what the hardware keeps between words."""
        return self.window_bits - self.fresh_bits[0]

    @property
    def bits_per_weight(self) -> float:
        """Stored bits per weight, the row scale left out."""
        return self.word_bits / WORD_WEIGHTS

    @property
    def maximum_weight(self) -> int:
        """Greatest magnitude of an integer weight."""
        return max(abs(weight) for weight in self.table)

    def blocks(self, columns: int) -> int:
        """Words in a row of ``columns`` weights; the last one is padded."""
        return -(-columns // WORD_WEIGHTS)

    def row_bytes(self, columns: int) -> int:
        """Bytes of a stored row: its words without gaps, rounded up to a byte."""
        return -(-self.blocks(columns) * self.word_bits // 8)

    def accumulator_bits(self, columns: int, activation_bits: int) -> int:
        """Signed bits that hold any row's sum.

        Bound: ``columns`` weights, the padding counted, of at most ``maximum_weight``, times activations
        of at most ``2^(activation_bits - 1)``.
        """
        padded = self.blocks(columns) * WORD_WEIGHTS
        return signed_bits(padded * self.maximum_weight << (activation_bits - 1))


def odd_table(upper: tuple[int, ...]) -> tuple[int, ...]:
    """A table of odd symmetry from its upper half: the weight of the complemented index is the complement.

    ``T[n + i] = upper[i]`` and ``T[n - 1 - i] = ~upper[i]``: the lower half is a row of inverters, and
    each weight plus one half is the negative of its partner plus one half.
    """
    return tuple(~weight for weight in reversed(upper)) + upper


WINDOW_BITS = 12
MASKS = (0x480, 0x05A, 0x184, 0x180, 0x0B8, 0x8C4, 0x602, 0x245)
UPPER_HALF = (
    *(0, 0, 0, 1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 7, 8, 8, 8, 8, 8, 8, 8),
    *(8, 9, 9, 10, 10, 10, 10, 10, 11, 12, 12, 12, 12, 12, 12, 13, 13, 14, 14, 14, 14, 14, 14, 14, 17, 17, 17, 17),
    *(17, 18, 18, 18, 19, 19, 19, 19, 19, 19, 19, 20, 20, 22, 22, 23, 23, 23, 23, 23, 24, 24, 24, 24, 25, 26, 26, 26),
    *(28, 29, 29, 29, 29, 29, 29, 29, 31, 33, 33, 33, 33, 33, 34, 34, 36, 36, 37, 38, 38, 39, 39, 40, 41, 43, 43, 44),
    *(44, 46, 48, 49, 50, 52, 55, 61, 66, 74, 92, 127),
)
"""The code that ships, found by search: one mix and one table for all rates. The table is fitted to
rows of a root mean square of 26; its last entries are for real rows, which have longer tails than a
Gaussian's."""
