"""A channel to the tests' model of a board."""

from collections.abc import Iterable, Iterator, Sequence

from formats.board_requests import MAXIMUM_WORDS, Opcode
from formats.engine import EngineParameters
from formats.errors import DeviceError
from hw.board.parameters import BoardParameters
from hw.memory.chips import W9825G6KH_6, Sdram
from tests.hw.board.board_model import BoardModel

ENGINE = EngineParameters(("scaled-3bit",), port_bytes=4, maximum_columns=64, maximum_rows=64)
SIZE = 32 << 20


class ModelChannel:
    """Requests to the model; what it reads may be damaged.

    ``opcodes`` keeps those of all requests.
    """

    data_words = MAXIMUM_WORDS - 2
    real_time = False

    def __init__(self, build: int = 0) -> None:
        self.model = BoardModel(BoardParameters(ENGINE, Sdram(W9825G6KH_6, 100, 2), build))
        self.opcodes: list[int] = []
        self.damages = self.breaks = self.closed = False

    def exchange(self, requests: Iterable[Sequence[int]]) -> Iterator[list[int]]:
        for request in requests:
            if self.breaks:
                raise DeviceError("the cable went")
            self.opcodes.append(request[0])
            response = self.answer(request)
            response[-1] ^= self.damages and request[0] == Opcode.CHECKSUM
            yield response

    def answer(self, request: Sequence[int]) -> list[int]:
        if request[0] == Opcode.PRODUCT:  # which the model does not do
            return [Opcode.PRODUCT, 1, 1]
        return self.model.answer(request)

    def close(self) -> None:
        self.closed = True
