"""What ``tests.hw.link.memory_core`` answers, word for word."""

import zlib
from collections.abc import Sequence

from formats.board_requests import IDENTITY, MAXIMUM_WORDS, VERSION, Opcode, Status

LENGTHS = {Opcode.IDENTIFY: 1, Opcode.COUNTERS: 1, Opcode.READ: 3, Opcode.CHECKSUM: 3}


class MemoryModel:
    """A memory of words, and a count of all requests.

    ``executed`` keeps every request, in order.
    """

    def __init__(self, words: int, build: int = 0) -> None:
        self.memory = [0] * words
        self.executed: list[tuple[int, ...]] = []
        known = {"version": VERSION, "build": build, "memory_bytes": 4 * words}
        self._identity = [known.get(field.name, 0) for field in IDENTITY]

    def __call__(self, request: Sequence[int]) -> list[int]:
        self.executed.append(tuple(request))
        opcode = request[0] & 0xFF
        status, answer = self._answer(opcode, request)
        return [opcode | status << 8, *answer]

    def _answer(self, opcode: int, request: Sequence[int]) -> tuple[Status, list[int]]:
        if opcode not in (*LENGTHS, Opcode.WRITE):
            return Status.UNKNOWN_OPCODE, []
        if opcode == Opcode.WRITE and len(request) > 2:
            self._write(request[1], request[2:])
        if len(request) < 3 if opcode == Opcode.WRITE else len(request) != LENGTHS[Opcode(opcode)]:
            return Status.WRONG_LENGTH, []
        if opcode == Opcode.IDENTIFY:
            return Status.OK, self._identity
        if opcode == Opcode.COUNTERS:
            return Status.OK, [0, 0, 0, 0, len(self.executed)]
        address, count = request[1], len(request) - 2 if opcode == Opcode.WRITE else request[2]
        if address % 4 or address // 4 >= len(self.memory) or count > len(self.memory) - address // 4:
            return Status.BAD_ADDRESS, []
        if opcode == Opcode.WRITE:
            return Status.OK, []
        if count == 0 or (opcode == Opcode.READ and count >= MAXIMUM_WORDS):
            return Status.BAD_ARGUMENT, []
        words = self.memory[address // 4 :][:count]
        if opcode == Opcode.READ:
            return Status.OK, words
        return Status.OK, [zlib.crc32(b"".join(word.to_bytes(4, "little") for word in words))]

    def _write(self, address: int, data: Sequence[int]) -> None:
        for place, word in enumerate(data, start=address // 4):
            if place < len(self.memory):
                self.memory[place] = word
