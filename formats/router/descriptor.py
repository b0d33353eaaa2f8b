"""What a command, its data and its answer hold: the token router's interface, bit by bit.

A command is five 32-bit words, 160 bits with ``w0`` in the low bits:

====  ===========  ===========  ===========
word  bits 15:0    bits 23:16   bits 31:24
====  ===========  ===========  ===========
w0    opcode, tag  flags        flags
w1    n            n            dst
w2    x            x            sa
w3    y            y            sb
w4    z            base         sc
====  ===========  ===========  ===========

(opcode in bits 7:0, tag in 15:8, the 16 flags in 31:16.) Fields an operation does not use are
ignored, the flags it does not use must be 0. An answer is a payload and a trailer of six u16:
``status | tag << 8``, ``opcode | sticky << 8``, then ``count`` and busy cycles as u32, low word first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from formats.arguments import check_integers
from formats.errors import InputError

KEY_BITS = 24
"""Bits of a key and of the fields n, x and y."""

WORD_BITS = 16
"""Bits of a bitmap word, and keys a unit of the field ``base``."""

NO_SLOT = 0xFF
"""Slot number that names no bitmap."""

ALL_SETS = 0xFFFF
"""Field x of a FLUSH of every set of the expert cache."""

VERSION = 1
"""First word of INFO's payload."""


class Opcode(IntEnum):
    """Operations."""

    NOP = 0x00
    INFO = 0x01
    LOAD = 0x10
    TOPK = 0x11
    FILTER = 0x12
    FIRST = 0x13
    RANGE = 0x14
    GATHER = 0x15
    PUTBM = 0x16
    READKEYS = 0x17
    PREFIX = 0x20
    RATIO = 0x21
    SEGLL = 0x22
    LRU = 0x23


class Status(IntEnum):
    """Outcome of a command; the lowest that applies is answered."""

    OK = 0
    BAD_OP = 1
    BAD_ARG = 2
    BAD_SLOT = 3
    BAD_N = 4
    SHORT = 8
    LONG = 9
    ABORT = 10
    BAD_DATA = 11


class KeyFormat(IntEnum):
    """Flags 1:0 of LOAD, FILTER and FIRST: what an element is before it becomes a key."""

    U16 = 0
    U24 = 1
    S16 = 2
    S24 = 3


class Quota(IntEnum):
    """Flags 1:0 of TOPK: what x says about the number kept."""

    KEEP = 0
    DROP = 1
    RATE = 2


class Bound(IntEnum):
    """Flags 4:3 of FILTER and FIRST: where the (lower) bound comes from."""

    NONE = 0
    FIELD = 1
    TABLE = 2


class CacheAction(IntEnum):
    """Flags 1:0 of LRU."""

    ACCESS = 0
    PREFETCH = 1
    RELEASE = 2
    FLUSH = 3


class Flag:
    """Masks of the single-bit flags, named ``OPERATION_FLAG``; two hold for every operation."""

    DATA = 1 << 15  # data follow the command
    OUT = 1 << 14  # the answer has a payload
    LOAD_ACCUMULATE = 1 << 2
    TOPK_LAST = 1 << 2
    TOPK_OUTSIDE = 1 << 3
    FILTER_KEYS = 1 << 2
    FILTER_LOW_CLOSED = 1 << 5
    FILTER_HIGH = 1 << 6
    FILTER_HIGH_CLOSED = 1 << 7
    FILTER_INVERT = 1 << 8
    FIRST_CLOSED = 1 << 5
    FIRST_NONE = 1 << 6
    RANGE_INVERT = 1 << 0
    GATHER_WRITE = 1 << 0
    GATHER_LIST = 1 << 1
    PREFIX_STOCHASTIC = 1 << 0
    RATIO_KEEP_EMPTY = 1 << 0
    SEGLL_PAIR = 1 << 0
    LRU_PIN = 1 << 2


FLAGS_USED: dict[Opcode, int] = {
    Opcode.NOP: 0,
    Opcode.INFO: 0,
    Opcode.LOAD: 0b111,
    Opcode.READKEYS: 0,
    Opcode.TOPK: 0b1_1111_1111,
    Opcode.FILTER: 0b1_1111_1111,
    Opcode.FIRST: 0b111_1011,
    Opcode.RANGE: 0b1,
    Opcode.GATHER: 0b11,
    Opcode.PUTBM: 0,
    Opcode.PREFIX: 0b1,
    Opcode.RATIO: 0b1,
    Opcode.SEGLL: 0b1,
    Opcode.LRU: 0b111,
}
"""Flags an operation looks at, DATA and OUT left out; the others are reserved and must be 0."""

SATURATED_KEY = 1 << 0
"""Sticky bit SAT of the trailer: this command clipped a key."""

SATURATED_VALUE = 1 << 1
"""Sticky bit SATW of the trailer: this command clipped a segment value."""


@dataclass(frozen=True)
class RouterParameters:
    """Build parameters of a unit.

    Parameters
    ----------
    lanes
        Keys handled a cycle, P: 4, 8 or 16.
    digit_bits
        Bits of a digit of the radix select, D: a divisor of 24. Results do not depend on it.
    keys
        Keys held, N: a multiple of 16, at most 4096.
    slots
        Bitmaps of N bits held, NB: 1 to 254.
    sets, ways
        Shape of the expert cache: at most 256 sets of at most 8 ways.

    Raises
    ------
    InputError
        If a parameter is no integer or out of range, naming it.
    """

    lanes: int = 8
    digit_bits: int = 4
    keys: int = 4096
    slots: int = 72
    sets: int = 64
    ways: int = 8

    def __post_init__(self) -> None:
        check_integers(
            lanes=(self.lanes, (4, 8, 16)),
            digit_bits=(self.digit_bits, (1, 2, 3, 4, 6, 8, 12, 24)),
            keys=(self.keys, range(16, 4097, 16)),
            slots=(self.slots, range(1, 255)),
            sets=(self.sets, range(1, 257)),
            ways=(self.ways, range(1, 9)),
        )


_LAYOUT = {  # field: (word, lowest bit, bits)
    "opcode": (0, 0, 8),
    "tag": (0, 8, 8),
    "flags": (0, 16, 16),
    "n": (1, 0, 24),
    "dst": (1, 24, 8),
    "x": (2, 0, 24),
    "sa": (2, 24, 8),
    "y": (3, 0, 24),
    "sb": (3, 24, 8),
    "z": (4, 0, 16),
    "base": (4, 16, 8),
    "sc": (4, 24, 8),
}


@dataclass(frozen=True)
class Command:
    """A command taken apart.

    Parameters
    ----------
    opcode
        An ``Opcode``; any other byte is answered BAD_OP.
    tag
        Comes back in the trailer.
    flags
        ``Flag`` masks and the mode, format and width fields of the operation.
    n
        Tokens, or elements of the data.
    dst, sa, sb, sc
        Bitmap slots; ``NO_SLOT`` for none.
    x, y, z
        Operands of the operation.
    base
        Where keys start, in units of 16 keys.

    Raises
    ------
    InputError
        If a field is no integer or does not fit its bits, naming it.
    """

    opcode: int
    tag: int = 0
    flags: int = 0
    n: int = 0
    dst: int = NO_SLOT
    x: int = 0
    sa: int = NO_SLOT
    y: int = 0
    sb: int = NO_SLOT
    z: int = 0
    base: int = 0
    sc: int = NO_SLOT

    def __post_init__(self) -> None:
        check_integers(**{field: (getattr(self, field), range(1 << bits)) for field, (_, _, bits) in _LAYOUT.items()})

    def words(self) -> tuple[int, ...]:
        """The five 32-bit words."""
        words = [0] * 5
        for field, (word, low, _) in _LAYOUT.items():
            words[word] |= getattr(self, field) << low
        return tuple(words)

    @classmethod
    def from_words(cls, words: Sequence[int]) -> "Command":
        """Take five 32-bit words apart.

        Raises
        ------
        InputError
            If they are not five, or one does not fit 32 bits.
        """
        if len(words) != 5 or not all(0 <= word < 1 << 32 for word in words):
            raise InputError(f"a command is five 32-bit words, got {list(words)!r}")
        return cls(**{name: words[word] >> low & (1 << bits) - 1 for name, (word, low, bits) in _LAYOUT.items()})

    def has(self, flag: int) -> bool:
        """Whether a ``Flag`` is set."""
        return bool(self.flags & flag)

    @property
    def mode(self) -> int:
        """Flags 1:0: a ``KeyFormat``, ``Quota`` or ``CacheAction``, whichever the operation takes."""
        return self.flags & 3

    @property
    def bound(self) -> int:
        """Flags 4:3 of FILTER and FIRST: a ``Bound``."""
        return self.flags >> 3 & 3

    @property
    def compared_bits(self) -> int:
        """Flags 8:4 of TOPK, the low key bits compared; 0 stands for all 24."""
        return self.flags >> 4 & 31 or KEY_BITS

    @property
    def row_elements(self) -> int:
        """Keys a row of FIRST, E: z, or the whole of n where z is 0."""
        return self.z or self.n
