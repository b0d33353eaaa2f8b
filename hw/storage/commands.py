"""What a memory card is told in SPI mode, and what it must answer.

Source: SD Physical Layer Simplified Specification, section 7.
"""

from dataclasses import dataclass

IDLE, READY = 0x01, 0x00
"""First byte of an answer while a card starts, and later."""

TAIL_BYTES = 4
"""Behind the first byte of the answers to CMD8 and CMD58."""

TOKEN = 0xFE
"""Before the bytes of a block."""


@dataclass(frozen=True)
class CardCommand:
    """A command.

    Parameters
    ----------
    number, argument
        What is sent.
    answer
        First byte of the answer that lets the start go on.
    has_tail
        The answer has four bytes more.
    repeats
        Other answers, or none, begin again at the command ``back`` places before this one.
    back
        How many places.
    """

    number: int
    argument: int
    answer: int
    has_tail: bool = False
    repeats: bool = False
    back: int = 0

    @property
    def octets(self) -> bytes:
        """Its six bytes."""
        sent = bytes((0x40 | self.number,)) + self.argument.to_bytes(4, "big")
        return sent + bytes((crc7(sent) << 1 | 1,))


VOLTAGE_CHECK = 0x1AA
"""Argument of CMD8, 2.7 to 3.6 V and a pattern; the end of its answer is the same."""

RESET = CardCommand(0, 0, IDLE, repeats=True)
CHECK = CardCommand(8, VOLTAGE_CHECK, IDLE, has_tail=True)
APPLICATION = CardCommand(55, 0, IDLE)
START = CardCommand(41, 1 << 30, READY, repeats=True, back=1)
REGISTER = CardCommand(58, 0, READY, has_tail=True)
BLOCK_SIZE = CardCommand(16, 512, READY)
READ = CardCommand(18, 0, READY)
STOP = CardCommand(12, 0, READY)

COMMANDS = (RESET, CHECK, APPLICATION, START, REGISTER, BLOCK_SIZE, READ, STOP)
"""In the order in which they are sent. Block 0 has the same address in cards that count bytes and in those that count
blocks, so one read from there on serves both; CMD16 gives the former their block size.
"""


def crc7(octets: bytes) -> int:
    """The CRC of a command: x^7 + x^3 + 1."""
    remainder = 0
    for octet in octets:
        for bit in reversed(range(8)):
            remainder = remainder << 1 | octet >> bit & 1
            if remainder & 0x80:
                remainder ^= 0x89
    for _ in range(7):
        remainder <<= 1
        if remainder & 0x80:
            remainder ^= 0x89
    return remainder
