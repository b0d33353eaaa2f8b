"""What a board must answer, in Python: everything but products that are done."""

import zlib
from collections.abc import Sequence

import numpy as np

from formats.board_requests import MAXIMUM_WORDS, REQUESTS, WORD_BYTES, Opcode, Status
from hw.board.parameters import BoardParameters
from tests.hw.board.boards import at_power_up


class BoardModel:
    """A board that keeps its memory in a dictionary.

    Parameters
    ----------
    parameters
        Of the board.
    """

    def __init__(self, parameters: BoardParameters) -> None:
        self._parameters = parameters
        self._held: dict[int, int] = {}

    def answer(self, request: Sequence[int]) -> list[int]:
        """The response to any words."""
        opcode = request[0]
        known = {int(each) for each in Opcode if each not in (Opcode.TOKEN, Opcode.LOAD_CARD, Opcode.CARD_STATUS)}
        status, words = Status.UNKNOWN_OPCODE, []
        if opcode in known:
            status, words = self._do(Opcode(opcode), list(request[1:]))
        return [opcode & 0xFF | status << 8, *words]

    def _do(self, opcode: Opcode, arguments: list[int]) -> tuple[Status, list[int]]:
        least = REQUESTS[opcode].least_words - 1
        if len(arguments) < least or (len(arguments) > least and not REQUESTS[opcode].has_data):
            return Status.WRONG_LENGTH, []
        if opcode == Opcode.IDENTIFY:
            return Status.OK, self._parameters.identity()
        if opcode == Opcode.WRITE:
            return self._write(arguments[0], arguments[1:]), []
        if opcode in (Opcode.READ, Opcode.CHECKSUM):
            return self._read(opcode, *arguments)
        if opcode == Opcode.COUNTERS:
            return Status.OK, [0] * 5
        return Status.OK, []

    def _write(self, address: int, data: list[int]) -> Status:
        if address % WORD_BYTES:
            return Status.BAD_ADDRESS
        place = address // WORD_BYTES
        fits = max(0, min(len(data), self._parameters.memory_words - place))
        self._held |= dict(zip(range(place, place + fits), data[:fits], strict=True))
        return Status.OK if fits == len(data) else Status.BAD_ADDRESS

    def _read(self, opcode: Opcode, address: int, words: int) -> tuple[Status, list[int]]:
        if words == 0 or (opcode == Opcode.READ and words >= MAXIMUM_WORDS):
            return Status.BAD_ARGUMENT, []
        place = address // WORD_BYTES
        if address % WORD_BYTES or place + words > self._parameters.memory_words:
            return Status.BAD_ADDRESS, []
        found = at_power_up(np.arange(place, place + words))
        for at in self._held.keys() & set(range(place, place + words)):
            found[at - place] = self._held[at]
        return Status.OK, found.tolist() if opcode == Opcode.READ else [zlib.crc32(found.tobytes())]
