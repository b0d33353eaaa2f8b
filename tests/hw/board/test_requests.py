"""A board does what its requests say, and answers whatever comes."""

from collections.abc import Iterator
from random import Random

import pytest

from formats.board_requests import MAXIMUM_WORDS, VERSION, Opcode, Status, answer_of, request_words
from formats.errors import DeviceError
from hw.board.parameters import BoardParameters
from sw_runtime.device.simulator.board import BoardSimulator
from tests.hw.board.board_model import BoardModel
from tests.hw.board.boards import BOARD, simulator
from tests.hw.board.traffic import right_request, wrong_request

SIZE = BOARD.memory.size_bytes
CYCLES = 2_000_000


@pytest.fixture
def board() -> Iterator[BoardSimulator]:
    opened = simulator()
    yield opened
    opened.close()


def ask(board: BoardSimulator, requests: list[list[int]]) -> list[list[int]]:
    """All responses; the simulator reports a board that stops, and an offer that is withdrawn."""
    return board.exchange(requests, MAXIMUM_WORDS * len(requests), CYCLES)


def test_a_board_says_what_it_is(board: BoardSimulator) -> None:
    (identity,) = ask(board, [request_words(Opcode.IDENTIFY)])
    values, names = answer_of(Opcode.IDENTIFY, identity)
    assert (values["version"], values["memory_bytes"], values["clock_khz"]) == (VERSION, 64 << 20, 100_000)
    assert (values["port_bytes"], values["maximum_columns"], values["maximum_rows"]) == (4, 4096, 65536)
    text = b"".join(word.to_bytes(4, "little") for word in names).rstrip(b"\0").decode()
    assert tuple(text.split(",")) == BOARD.engine.formats


def test_a_board_that_does_not_answer_is_given_up(board: BoardSimulator) -> None:
    with pytest.raises(DeviceError, match=r"the simulated board sent 0 words in \d+ cycles and stopped"):
        board.exchange([request_words(Opcode.CHECKSUM, 0, 1 << 20)], MAXIMUM_WORDS, cycles=10)


@pytest.mark.parametrize("share", [1, 0.4])
def test_requests_right_and_wrong_are_answered_as_the_model_says(share: float) -> None:
    random, model, board = Random(5), BoardModel(BOARD), simulator(share)
    requests = [random.choice((right_request, wrong_request))(random, SIZE) for _ in range(1_200)]
    expected = [model.answer(request) for request in requests]
    statuses = {answer[0] >> 8 for answer in expected}
    assert statuses == set(Status) - {Status.BUSY}, "every status was met that a board without a card slot has"
    assert ask(board, requests) == expected
    assert board.broken_rules() == {}
    board.close()


def test_the_longest_requests_pass(board: BoardSimulator) -> None:
    random, model = Random(6), BoardModel(BOARD)
    data = [random.getrandbits(32) for _ in range(MAXIMUM_WORDS - 2)]
    requests = [
        request_words(Opcode.WRITE, 4 * 700, data=data),
        request_words(Opcode.READ, 4 * 699, MAXIMUM_WORDS - 1),
        request_words(Opcode.CHECKSUM, 0, 70_000),
        [Opcode.WRITE, SIZE - 8, *range(5_000)],
        [0xDEAD, *range(5_000)],
        request_words(Opcode.READ, SIZE - 8, 2),
    ]
    assert ask(board, requests) == [model.answer(request) for request in requests]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((4, 1, 1, 1, 0, 0, 0), Status.BAD_ARGUMENT),
        ((3, 0, 1, 1, 0, 0, 0), Status.BAD_ARGUMENT),
        ((3, 513, 1, 1, 0, 0, 0), Status.BAD_ARGUMENT),
        ((1, 343, 1, 1, 0, 0, 0), Status.BAD_ARGUMENT),
        ((3, 1, 0, 1, 0, 0, 0), Status.BAD_ARGUMENT),
        ((3, 1, 65537, 1, 0, 0, 0), Status.BAD_ARGUMENT),
        ((3, 1, 1, 0, 0, 0, 0), Status.BAD_ARGUMENT),
        ((3, 1, 1, 2, 0, 0, 0), Status.BAD_ARGUMENT),
        ((3, 1, 1, 1, 2, 0, 0), Status.BAD_ADDRESS),
        ((3, 1, 1, 1, 0, 0, 1), Status.BAD_ADDRESS),
        ((3, 1, 1, 1, SIZE - 12, 0, 0), Status.BAD_ADDRESS),
        ((3, 512, 65536, 1, 0, 0, 0), Status.BAD_ADDRESS),
        ((3, 512, 100, 1, 0, SIZE - 4 * 512 * 100 + 4, 0), Status.BAD_ADDRESS),
        ((2, 512, 100, 1, 0, SIZE - 3 * 512 * 100 + 4, 0), Status.BAD_ADDRESS),
        ((3, 1, 100, 1, 0, 0, SIZE - 796), Status.BAD_ADDRESS),
        ((3, 1, 1, 1, 0, 0, (1 << 32) - 4), Status.BAD_ADDRESS),
        ((3, 1, 1, 1, SIZE - 16, SIZE - 4, SIZE - 8), Status.OK),
        ((2, 512, 100, 1, 0, SIZE - 3 * 512 * 100, 0), Status.OK),
    ],
)
def test_a_product_is_begun_only_if_all_it_needs_is_there(
    board: BoardSimulator, arguments: tuple[int, ...], status: Status
) -> None:
    product, *after = ask(board, [[Opcode.PRODUCT, *arguments], request_words(Opcode.COUNTERS)])
    assert product[0] == Opcode.PRODUCT | status << 8
    assert answer_of(Opcode.COUNTERS, after[0])[0]["products"] == (status == Status.OK)


def test_counters_add_up_until_a_reset(board: BoardSimulator) -> None:
    product, counters = [Opcode.PRODUCT, 3, 3, 2, 1, 0, 64, 128], request_words(Opcode.COUNTERS)
    first, second, counted, _, at_zero = ask(board, [product, product, counters, request_words(Opcode.RESET), counters])
    values = [answer_of(Opcode.PRODUCT, answer)[0] for answer in (first, second)]
    words = 2 * (3 * 4 + 3 * 2)  # activations of 8 columns of 16 bits per block, and a word per block and row
    assert answer_of(Opcode.COUNTERS, counted)[0] == {
        "cycles": values[0]["cycles"] + values[1]["cycles"],
        "port_busy_cycles": words,
        "products": 2,
    }
    assert answer_of(Opcode.COUNTERS, at_zero)[0] == {"cycles": 0, "port_busy_cycles": 0, "products": 0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"build": 1 << 32}, r"build must be 0 to 2\^32 - 1, not 4294967296"),
        ({"build": -1}, r"build must be 0 to 2\^32 - 1, not -1"),
    ],
)
def test_a_build_that_no_word_holds_is_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BoardParameters(BOARD.engine, BOARD.memory, **changes)


def test_a_port_that_is_wider_than_a_word_is_refused() -> None:
    engine = type(BOARD.engine)(("scaled-4bit",), port_bytes=8)
    with pytest.raises(ValueError, match="port_bytes of a board's engine must be 4, not 8: AS4C32M16SB-7 fills no"):
        BoardParameters(engine, BOARD.memory)
