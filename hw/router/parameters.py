"""What a router is built for, and the sizes that follow."""

from dataclasses import dataclass

from formats.errors import InputError
from formats.router.descriptor import KEY_BITS, WORD_BITS, RouterParameters

COMMAND_BITS = 160
"""Bits of a command."""

COMMAND_QUEUE_DEPTH = 16
"""Commands that may wait."""

WORDS_UNDER_WAY = 12
"""Payload words that a primitive may still produce after it was last told there is room."""


@dataclass(frozen=True)
class UnitParameters(RouterParameters):
    """A router in hardware: the parameters of the golden model and what they mean for memories.

    Raises
    ------
    InputError
        If a parameter is out of range, naming it; digits of more than 6 bits take too many counters.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.digit_bits > 6:
            raise InputError(
                f"digit_bits must be at most 6 in hardware ({self.digit_bits} would take "
                f"{(1 << self.digit_bits) - 1} counters); 4 is usual"
            )

    @property
    def rows(self) -> int:
        """Rows of ``lanes`` tokens in the key memory and in a bitmap."""
        return self.keys // self.lanes

    @property
    def rows_per_word(self) -> int:
        """Rows that make up a 16-bit word of a bitmap."""
        return WORD_BITS // self.lanes

    @property
    def passes(self) -> int:
        """Select passes over whole keys."""
        return KEY_BITS // self.digit_bits
