"""Requests at random, right and wrong, near the edges of a memory."""

from collections.abc import Callable
from random import Random

from formats.board_requests import (
    MAXIMUM_WORDS,
    MOST_ROUNDED_WORDS,
    REQUESTS,
    ROUNDED_GROUP_WORDS,
    Opcode,
    request_words,
)


def _edges(size: int) -> tuple[int, ...]:
    """Addresses at which something may go wrong."""
    return (0, 1, 4, 1 << 16, size - 8, size - 4, size, size + 4, (1 << 32) - 4, (1 << 32) - 1)


def right_request(random: Random, size: int) -> list[int]:
    """A request as it should be, but for its address; runs meet each other and the edges."""
    address = random.choice(_edges(size)) + 4 * random.randrange(-3, 40)
    address = max(0, min(address, (1 << 32) - 1))
    count = random.choice((1, 2, 3, random.randrange(1, 60)))
    opcode = random.choice(list(Opcode))
    if opcode == Opcode.WRITE:
        return request_words(opcode, address, data=[random.getrandbits(32) for _ in range(count)])
    if opcode in (Opcode.READ, Opcode.CHECKSUM):
        return request_words(opcode, address, count)
    if opcode == Opcode.RESULTS:
        return request_words(opcode, address, ROUNDED_GROUP_WORDS * count, random.randrange(64))
    return request_words(random.choice((Opcode.IDENTIFY, Opcode.RESET, Opcode.COUNTERS)))


def wrong_request(random: Random, size: int) -> list[int]:
    """Any words: known opcodes of any length, arguments at edges, noise. No PRODUCT has its seven arguments."""
    opcode = random.choice((*map(int, Opcode), random.getrandbits(8), random.getrandbits(32)))
    length = random.choice((0, 1, 2, 3, random.randrange(20), random.randrange(100)))
    if length == len(REQUESTS[Opcode.PRODUCT].arguments):
        length -= 1
    drawn: tuple[Callable[[], int], ...] = (
        lambda: random.choice(_edges(size)),
        lambda: random.randrange(1, 40),
        lambda: random.choice((0, MAXIMUM_WORDS - 1, MAXIMUM_WORDS, MOST_ROUNDED_WORDS, MOST_ROUNDED_WORDS + 8)),
        lambda: random.getrandbits(32),
    )
    words = [opcode, *(random.choice(drawn)() for _ in range(length))]
    if opcode == Opcode.CHECKSUM and length == 2:
        words[2] = min(words[2], 2_000)  # a checksum of the whole memory is right, and slow
    return words
