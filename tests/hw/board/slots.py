"""A small, slow board with a card slot, and what must come of its requests."""

from random import Random

from formats.board_requests import MAXIMUM_WORDS, Loading, Opcode, Status, answer_of, request_words
from formats.card_image import CardError, card_octets
from formats.engine import EngineParameters
from hw.board.parameters import BoardParameters
from hw.memory.chips import W9825G6KH_6, Sdram
from sw_runtime.device.simulator.board import BoardSimulator
from sw_runtime.device.simulator.card import card_settings

CLOCK_MHZ = 2
"""So slow that a second, after which a card is given up, is few cycles."""

CARD_MHZ = 0.5
"""Two cycles of our clock a half period: the fastest that the loader can."""

BOARD = BoardParameters(
    EngineParameters(("scaled-3bit",), port_bytes=4, batch=2, maximum_columns=64, maximum_rows=200, multiplier_bits=18),
    Sdram(W9825G6KH_6, clock_mhz=CLOCK_MHZ, cas_latency=2),
    card=True,
)

IMAGE = Random(11).randbytes(4 * 300)
WORDS = [int.from_bytes(IMAGE[at : at + 4], "little") for at in range(0, len(IMAGE), 4)]

NEEDING_MEMORY = (
    request_words(Opcode.WRITE, 4096, data=[1, 2, 3]),
    request_words(Opcode.READ, 0, 10),
    request_words(Opcode.CHECKSUM, 0, 10),
    request_words(Opcode.PRODUCT, 0, 1, 1, 1, 0, 64, 128),
)
OTHERS = (request_words(Opcode.IDENTIFY), request_words(Opcode.RESET), request_words(Opcode.COUNTERS))

CYCLES = 200_000
MOST_WAITS = 600


def insert(board: BoardSimulator, card: bytes = card_octets(IMAGE), **faults: int) -> None:
    """Put a card into the slot."""
    board.insert(card_settings(card, CLOCK_MHZ, CARD_MHZ, **faults))


def answers(board: BoardSimulator, requests: list[list[int]]) -> list[list[int]]:
    """All responses."""
    return board.exchange(requests, MAXIMUM_WORDS * len(requests), CYCLES)


def status(board: BoardSimulator) -> dict[str, int]:
    """What CARD_STATUS says."""
    return answer_of(Opcode.CARD_STATUS, answers(board, [request_words(Opcode.CARD_STATUS)])[0])[0]


def memory_words(board: BoardSimulator) -> list[int]:
    """The words where an image lies, and as many behind it."""
    return answers(board, [request_words(Opcode.READ, 0, 2 * len(WORDS))])[0][1:]


def ended(board: BoardSimulator) -> tuple[CardError, int, int]:
    """Wait for the end of a loading: its error, the words that went to the memory, and those that did not.

    Raises
    ------
    AssertionError
        If it never ends, or its counts go back.
    """
    came = 0
    for _ in range(MOST_WAITS):
        said = status(board)
        if said["state"] == Loading.ENDED:
            return CardError(said["error"]), said["words"], said["left"]
        assert said["state"] == Loading.UNDER_WAY
        assert said["words"] >= came, "fewer words than before"
        came = said["words"]
        assert not came or came + said["left"] in (len(WORDS) - 1, len(WORDS)), "one may go while they are looked at"
        board.wait(CYCLES // 40)
    raise AssertionError("the loading does not end")


def check_loading(board: BoardSimulator) -> None:
    """A good card's image comes to the memory, and nothing behind it.

    Raises
    ------
    AssertionError
        If not.
    """
    behind = memory_words(board)[len(WORDS) :]
    insert(board)
    assert answers(board, [[Opcode.LOAD_CARD]]) == [[Opcode.LOAD_CARD]]
    assert ended(board) == (CardError.NONE, len(WORDS), 0)
    assert memory_words(board) == [*WORDS, *behind]


def check_refusals(board: BoardSimulator) -> None:
    """What needs the memory is refused during a loading, and changes nothing; all else is answered.

    Raises
    ------
    AssertionError
        If not.
    """
    assert status(board) == {"state": Loading.NEVER, "error": 0, "words": 0, "left": 0}
    beside = request_words(Opcode.READ, 4096, 3)
    before = answers(board, [beside])
    insert(board)
    answers(board, [[Opcode.LOAD_CARD]])
    for _ in range(8):  # before the first word comes, and while they do
        refused = [*NEEDING_MEMORY, [Opcode.LOAD_CARD]]
        assert answers(board, refused) == [[request[0] | Status.BUSY << 8] for request in refused]
        wrong = answers(board, [[Opcode.READ, 0], [Opcode.WRITE, 0], [Opcode.LOAD_CARD, 0], [Opcode.CARD_STATUS, 0]])
        assert [answer[0] >> 8 for answer in wrong] == [Status.WRONG_LENGTH] * 4
        assert [answer[0] >> 8 for answer in answers(board, list(OTHERS))] == [Status.OK] * 3
        assert status(board)["state"] == Loading.UNDER_WAY
        board.wait(3_000)
    assert ended(board) == (CardError.NONE, len(WORDS), 0)
    assert memory_words(board)[: len(WORDS)] == WORDS
    assert answers(board, [beside]) == before
    assert answer_of(Opcode.COUNTERS, answers(board, [request_words(Opcode.COUNTERS)])[0])[0]["products"] == 0
    assert [answer[0] >> 8 for answer in answers(board, list(NEEDING_MEMORY))] == [Status.OK] * 4
