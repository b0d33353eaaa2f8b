"""A board's memory over a link: written in pieces, each of them read back as a checksum."""

import struct
import zlib
from collections.abc import Iterator

from formats.board_requests import WORD_BYTES, Opcode, answer_of, request_words
from formats.errors import DeviceError, InputError
from sw_runtime.device.link.channel import Channel
from sw_runtime.progress import progress_bar

PIECE_BYTES = 1 << 16
"""What one checksum is over."""

WRITE_WORDS = 254
"""Words of data a request: so many that little of the line is lost to headers, so few that few are damaged."""

ATTEMPTS = 3


class BoardMemory:
    """Writes and reads a board's memory.

    Parameters
    ----------
    channel
        To a core that answers ``formats.board_requests``.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._write_words = min(WRITE_WORDS, channel.welcome.words - 2)
        self._read_words = min(WRITE_WORDS, channel.welcome.words - 1)

    def upload(self, address: int, octets: bytes) -> int:
        """Make memory hold these bytes; returns how many were sent.

        Pieces of 64 KB that the board already holds are not sent, so an upload that broke off goes on where it
        was, even from another process. After each piece its checksum is read back, and a wrong one sends it again.

        Raises
        ------
        InputError
            If address or length are no multiples of 4.
        DeviceError
            If the board refuses, a piece stays wrong, or the line is gone.
        """
        if address % WORD_BYTES or len(octets) % WORD_BYTES:
            raise InputError(
                f"memory is written in words of 4 bytes: address {address}, {len(octets)} bytes are no words"
            )
        starts = range(0, len(octets), PIECE_BYTES)
        wrong, sent = self._differing(address, octets, list(starts)), 0
        for _ in range(ATTEMPTS):
            if not wrong:
                return sent
            sent += self._write(address, octets, wrong)
            wrong = self._differing(address, octets, wrong)
        if wrong:
            raise DeviceError(
                f"{len(wrong)} of {len(starts)} pieces read back wrong after {ATTEMPTS} attempts, the first at address "
                f"{address + wrong[0]}: the board's memory is at fault"
            )
        return sent

    def read(self, address: int, words: int) -> bytes:
        """Words of memory as bytes.

        Raises
        ------
        DeviceError
            If the board refuses or the line is gone.
        """
        requests = (
            request_words(Opcode.READ, address + WORD_BYTES * at, min(self._read_words, words - at))
            for at in range(0, words, self._read_words)
        )
        parts = [answer_of(Opcode.READ, response)[1] for response in self._channel.exchange(requests)]
        return b"".join(struct.pack(f"<{len(part)}I", *part) for part in parts)

    def _differing(self, address: int, octets: bytes, starts: list[int]) -> list[int]:
        """The pieces that memory does not hold."""
        pieces = [octets[start : start + PIECE_BYTES] for start in starts]
        requests = (
            request_words(Opcode.CHECKSUM, address + start, len(piece) // WORD_BYTES)
            for start, piece in zip(starts, pieces, strict=True)
        )
        answers = (answer_of(Opcode.CHECKSUM, response) for response in self._channel.exchange(requests))
        sums = [fields["checksum"] for fields, _ in answers]
        return [start for start, piece, found in zip(starts, pieces, sums, strict=True) if found != zlib.crc32(piece)]

    def _write(self, address: int, octets: bytes, starts: list[int]) -> int:
        """Write pieces, with rate and time left; returns their bytes."""
        sizes: list[int] = []

        def requests() -> Iterator[list[int]]:
            for start in starts:
                end = min(start + PIECE_BYTES, len(octets))
                for at in range(start, end, WORD_BYTES * self._write_words):
                    data = octets[at : min(at + WORD_BYTES * self._write_words, end)]
                    sizes.append(len(data))
                    words = struct.unpack(f"<{len(data) // WORD_BYTES}I", data)
                    yield request_words(Opcode.WRITE, address + at, data=words)

        total = sum(min(PIECE_BYTES, len(octets) - start) for start in starts)
        with progress_bar(total=total, desc="upload", unit="B", unit_scale=True, leave=False) as bar:
            for place, response in enumerate(self._channel.exchange(requests())):
                answer_of(Opcode.WRITE, response)
                bar.update(sizes[place])
        return total
