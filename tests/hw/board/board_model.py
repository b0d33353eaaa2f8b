"""What a board must answer, in Python: everything but products that are done."""

import math
import zlib
from collections.abc import Sequence
from fractions import Fraction

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
        if opcode == Opcode.RESULTS:
            return self._rounded(*arguments)
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

    def _rounded(self, address: int, words: int, places: int) -> tuple[Status, list[int]]:
        """Four results in three words: each its low bits off, halves up, clipped."""
        if words % 8 or not 8 <= words <= 1016:
            return Status.BAD_ARGUMENT, []
        parts = [self._read(Opcode.READ, address + 4 * at, 8) for at in range(0, words, 8)]
        if any(status for status, _ in parts):
            return Status.BAD_ADDRESS, []
        octets = b""
        held = [word for _, found in parts for word in found]
        for lower, upper in zip(held[::2], held[1::2], strict=True):
            bits = self._parameters.engine.accumulator_bits
            number = (lower | upper << 32) & (1 << bits) - 1
            number -= number >> (bits - 1) << bits
            rounded = math.floor(Fraction(number, 1 << places % 64) + Fraction(1, 2))
            octets += (min(max(rounded, -(1 << 23)), (1 << 23) - 1) & 0xFFFFFF).to_bytes(3, "little")
        return Status.OK, np.frombuffer(octets, dtype="<u4").tolist()

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
