"""A board without the board: the driver over requests to its Verilog, with its memory behind it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from formats.board_requests import MAXIMUM_WORDS, REQUESTS, WORD_BYTES, Opcode
from formats.engine import RESULT_BITS, EngineParameters
from formats.router.descriptor import RouterParameters
from hw.board.boards import find_board
from hw.board.parameters import BoardParameters
from hw.decoder.parameters import DecoderParameters
from sw_runtime.device.board.transport import RESULT_WORDS, BoardTransport, check_router
from sw_runtime.device.driver import Driver
from sw_runtime.device.rounding import check_result_bits
from sw_runtime.device.simulator.board import BoardSimulator
from sw_runtime.device.simulator.build_boards import build_board

ECP5_MULTIPLIER_BITS = 18
"""Widest weight that a multiplier of the boards' devices takes."""


MOST_BLOCK_WORDS = 16
"""Words of a column block's activations, of any format."""

TOGETHER = 64
"""Requests that one call simulates."""

ROUNDED_WORDS = 6
"""Words that could be moved while one of a result is rounded, bit by bit."""

CYCLES_A_WORD = 8
"""Most cycles that a word of memory takes, requests and refreshes included, with much to spare."""

TOKEN_WORDS = 1 << 24
"""Words of the largest memory that is simulated: a token's program does not say beforehand how many it moves."""


TOKENS = 1 + [field.name for field in REQUESTS[Opcode.TOKEN].arguments].index("tokens")
"""Place of a TOKEN's word that says how many are taken."""


class SimulatedChannel:
    """Requests to a simulator, no link in between.

    Parameters
    ----------
    simulator
        Closed with the channel.
    token_words
        Words that a TOKEN moves at most; what takes longer is given up.
    """

    data_words = MAXIMUM_WORDS - 2
    real_time = False

    def __init__(self, simulator: BoardSimulator, token_words: int = TOKEN_WORDS) -> None:
        self._simulator, self._token_words = simulator, token_words

    def exchange(self, requests: Iterable[Sequence[int]]) -> Iterator[list[int]]:
        """Responses to requests, in order.

        Raises
        ------
        DeviceError
            If the board does not answer within the cycles that the requests may take.
        """
        coming = iter(requests)
        while part := list(islice(coming, TOGETHER)):
            tokens = sum(map(asked_tokens, part))
            cycles = CYCLES_A_WORD * (sum(map(moved_words, part)) + tokens * self._token_words)
            yield from self._simulator.exchange(part, MAXIMUM_WORDS * len(part), cycles)

    def close(self) -> None:
        """Free the simulator."""
        self._simulator.close()


def asked_tokens(request: Sequence[int]) -> int:
    """Tokens that a request has taken."""
    return request[TOKENS] if request[0] == Opcode.TOKEN and len(request) > TOKENS else 0


def moved_words(request: Sequence[int]) -> int:
    """Words that a request moves at most, its own and its response's included; of a TOKEN only those."""
    opcode, *arguments = request
    moved = len(request) + MAXIMUM_WORDS
    if opcode == Opcode.CHECKSUM and len(arguments) == 2:
        moved += arguments[1]
    if opcode == Opcode.RESULTS:
        moved += ROUNDED_WORDS * MAXIMUM_WORDS
    if opcode == Opcode.PRODUCT and len(arguments) == len(REQUESTS[Opcode.PRODUCT].arguments):
        _, blocks, groups, vectors, *_ = arguments
        moved += blocks * groups + vectors * (MOST_BLOCK_WORDS * blocks + RESULT_WORDS * groups)
    return moved


def simulated_board(
    place: str,
    parameters: EngineParameters,
    router: RouterParameters | None = None,
    result_bits: int = RESULT_BITS,
) -> Driver:
    """A board whose every cycle is simulated, memory included.

    Parameters
    ----------
    place
        The board's name in ``hw.board.boards.BOARDS``.
    parameters
        Formats, batch and sizes of its engine; port, lanes and multipliers are the board's.
    router
        No board has one yet.
    result_bits
        Of a result as it leaves the board: 64, exact, or 24, rounded.

    Raises
    ------
    InputError
        If there is no such board, or no such results.
    DependencyError
        If the simulator cannot be built.
    DeviceError
        If a router is asked for.
    """
    check_router(router)
    check_result_bits(result_bits)
    board = board_parameters(place, parameters)
    simulator = BoardSimulator(build_board(board), board)
    transport = BoardTransport(SimulatedChannel(simulator), board.engine, board.memory.size_bytes)
    return Driver(f"simulated-board:{place}", transport, board.engine, result_bits=result_bits)


def board_parameters(
    name: str, parameters: EngineParameters, decoder: DecoderParameters | None = None
) -> BoardParameters:
    """What a board's hardware is built for: an engine, or a whole decoder with it.

    Raises
    ------
    InputError
        If there is no such board.
    """
    engine = replace(parameters, port_bytes=WORD_BYTES, lanes=0, multiplier_bits=ECP5_MULTIPLIER_BITS)
    return BoardParameters(engine, find_board(name).memory, decoder=decoder)
