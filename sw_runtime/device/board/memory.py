"""A board's memory over a channel: written in pieces, each of them read back as a checksum."""

import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from formats.board_requests import (
    MOST_ROUNDED_WORDS,
    ROUNDED_GROUP_ANSWER_WORDS,
    ROUNDED_GROUP_WORDS,
    WORD_BYTES,
    Opcode,
    answer_of,
    request_words,
)
from formats.errors import DeviceError
from sw_runtime.device.board.channel import Channel

PIECE_BYTES = 1 << 16
"""What one checksum is over."""

ATTEMPTS = 3

Moved = Callable[[int], object]
"""Takes how many bytes have just gone over the channel."""


def writes(channel: Channel, address: int, octets: NDArray[np.uint8]) -> Iterator[list[int]]:
    """Requests that write bytes, whole words of them, at an address."""
    words = octets.view("<u4")
    for at in range(0, len(words), channel.data_words):
        data = words[at : at + channel.data_words].tolist()
        yield request_words(Opcode.WRITE, address + WORD_BYTES * at, data=data)


def reads(channel: Channel, address: int, words: int) -> Iterator[list[int]]:
    """Requests that read words from an address on."""
    for at in range(0, words, channel.data_words):
        yield request_words(Opcode.READ, address + WORD_BYTES * at, min(channel.data_words, words - at))


def rounded_reads(channel: Channel, address: int, words: int, places: int) -> Iterator[list[int]]:
    """Requests that read results of ``words`` words in the memory as 24 bits each, up to whole groups of four."""
    groups = -(-words // ROUNDED_GROUP_WORDS)
    most = min(channel.data_words // ROUNDED_GROUP_ANSWER_WORDS, MOST_ROUNDED_WORDS // ROUNDED_GROUP_WORDS)
    for first in range(0, groups, most):
        at, count = ROUNDED_GROUP_WORDS * first, ROUNDED_GROUP_WORDS * min(most, groups - first)
        yield request_words(Opcode.RESULTS, address + WORD_BYTES * at, count, places)


def upload(channel: Channel, address: int, octets: NDArray[np.uint8], moved: Moved = lambda octets: None) -> int:
    """Make memory hold these bytes, uint8 [a multiple of 4]; returns how many were sent.

    Pieces of 64 KB that the board already holds are not sent, so an upload that broke off goes on where it was,
    even from another process. After each piece its checksum is read back, and a wrong one sends it again.

    Raises
    ------
    DeviceError
        If the board refuses, a piece stays wrong, or the channel fails.
    """
    starts = range(0, len(octets), PIECE_BYTES)
    wrong, sent = _differing(channel, address, octets, starts), 0
    for _ in range(ATTEMPTS):
        if not wrong:
            return sent
        pieces = [(start, octets[start : start + PIECE_BYTES]) for start in wrong]
        requests = (request for start, piece in pieces for request in writes(channel, address + start, piece))
        most = WORD_BYTES * channel.data_words
        sizes = [min(most, piece.nbytes - at) for _, piece in pieces for at in range(0, piece.nbytes, most)]
        for size, response in zip(sizes, channel.exchange(requests), strict=True):
            answer_of(Opcode.WRITE, response)
            moved(size)
        sent += sum(piece.nbytes for _, piece in pieces)
        wrong = _differing(channel, address, octets, wrong)
    if wrong:
        raise DeviceError(
            f"{len(wrong)} of {len(starts)} pieces read back wrong after {ATTEMPTS} attempts, the first at address "
            f"{address + wrong[0]}: the board's memory is at fault"
        )
    return sent


def download(channel: Channel, address: int, words: int, moved: Moved = lambda octets: None) -> NDArray[np.uint8]:
    """Words of memory as bytes: uint8 [4 · words].

    Raises
    ------
    DeviceError
        If the board refuses or the channel fails.
    """
    came: list[int] = []
    for response in channel.exchange(reads(channel, address, words)):
        part = answer_of(Opcode.READ, response)[1]
        came += part
        moved(WORD_BYTES * len(part))
    return np.array(came, dtype="<u4").view(np.uint8)


def _differing(channel: Channel, address: int, octets: NDArray[np.uint8], starts: Sequence[int]) -> list[int]:
    """The pieces that memory does not hold."""
    pieces = [octets[start : start + PIECE_BYTES] for start in starts]
    requests = (
        request_words(Opcode.CHECKSUM, address + start, len(piece) // WORD_BYTES)
        for start, piece in zip(starts, pieces, strict=True)
    )
    answers = [answer_of(Opcode.CHECKSUM, response)[0] for response in channel.exchange(requests)]
    return [
        start
        for start, piece, answer in zip(starts, pieces, answers, strict=True)
        if answer["checksum"] != zlib.crc32(piece.tobytes())
    ]
