"""What a router sends back."""

from collections.abc import Sequence
from dataclasses import dataclass

from formats.router.descriptor import Status

TRAILER_WORDS = 6
"""u16 words that end every answer: status and tag, opcode and sticky bits, count, busy cycles."""


@dataclass(frozen=True)
class Answer:
    """What the unit sends back.

    Parameters
    ----------
    payload
        u16 words.
    status
        Outcome.
    tag, opcode
        As in the command.
    sticky
        ``SATURATED_KEY`` and ``SATURATED_VALUE``.
    count
        Result of the operation, u32.
    """

    payload: tuple[int, ...]
    status: Status
    tag: int
    opcode: int
    sticky: int
    count: int

    def words(self) -> tuple[int, ...]:
        """Payload and trailer without its last two words, the busy cycles."""
        return (*self.payload, self.status | self.tag << 8, self.opcode | self.sticky << 8, *half_words([self.count]))


def half_words(values: Sequence[int]) -> list[int]:
    """32-bit values as u16 words, low first."""
    return [word for value in values for word in (value & 0xFFFF, value >> 16 & 0xFFFF)]


@dataclass(frozen=True)
class Lookup:
    """What an LRU command says of one expert of a step.

    Parameters
    ----------
    hit
        It was there.
    way
        Where it is now; 0 if it is nowhere.
    victim
        The expert it took the place of, None if the way was empty or nothing was evicted.
    no_way
        Every way is pinned, so it is nowhere.
    """

    hit: bool
    way: int = 0
    victim: int | None = None
    no_way: bool = False
