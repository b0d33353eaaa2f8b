"""A board loads its memory from a card, says how far that is, and refuses meanwhile what needs the memory."""

from collections.abc import Iterator

import pytest

from formats.board_requests import Opcode, Status
from formats.card_image import CardError, card_octets
from formats.link import Kind
from golden_models.link import framed
from sw_runtime.device.simulator.board import BoardSimulator, chip_of
from sw_runtime.device.simulator.build_boards import build_board, build_serial_board
from sw_runtime.device.simulator.card import card_settings
from sw_runtime.device.simulator.line import LineSimulation
from sw_runtime.device.simulator.terminal import DIVISOR
from tests.hw.board.slots import (
    BOARD,
    CARD_MHZ,
    CLOCK_MHZ,
    IMAGE,
    NEEDING_MEMORY,
    answers,
    check_loading,
    check_refusals,
    ended,
    insert,
    memory_words,
)


@pytest.fixture
def board() -> Iterator[BoardSimulator]:
    opened = BoardSimulator(build_board(BOARD), BOARD)
    yield opened
    opened.close()


def test_the_memory_holds_the_image_when_the_loading_has_ended(board: BoardSimulator) -> None:
    check_loading(board)
    assert board.broken_card_rules == 0
    assert board.broken_rules() == {}


def test_what_needs_the_memory_is_refused_while_a_card_is_loaded_and_done_afterwards(board: BoardSimulator) -> None:
    check_refusals(board)


@pytest.mark.parametrize("request_words", NEEDING_MEMORY, ids=lambda words: Opcode(words[0]).name)
def test_nothing_is_refused_before_the_first_loading(board: BoardSimulator, request_words: list[int]) -> None:
    insert(board)
    assert answers(board, [request_words])[0][0] == request_words[0] | Status.OK << 8


def test_an_empty_slot_is_an_error_and_a_card_that_is_put_in_then_is_loaded(board: BoardSimulator) -> None:
    insert(board, absent=1)
    assert answers(board, [[Opcode.LOAD_CARD]]) == [[Opcode.LOAD_CARD]]
    assert ended(board) == (CardError.NO_CARD, 0, 0)
    check_loading(board)


def test_a_card_for_a_larger_memory_is_an_error_and_writes_nothing(board: BoardSimulator) -> None:
    before = memory_words(board)
    insert(board, card_octets(bytes(BOARD.memory.size_bytes + 4)))
    answers(board, [[Opcode.LOAD_CARD]])
    error, words, _ = ended(board)
    assert (error, words) == (CardError.BAD_HEADER, 0)
    assert memory_words(board) == before


def test_a_serial_board_is_busy_from_the_first_word_of_a_request_to_the_end_of_the_loading() -> None:
    line = LineSimulation(build_serial_board(BOARD, DIVISOR), chip=chip_of(BOARD.memory))
    line.insert(card_settings(card_octets(IMAGE), CLOCK_MHZ, CARD_MHZ))
    greeting, request = framed(Kind.GREETING, 0, 9), framed(Kind.REQUEST, 0, 9, [Opcode.LOAD_CARD])
    assert not line.busy
    answer = line.exchange(greeting + request, 2_000)
    assert answer.endswith(framed(Kind.RESPONSE, 0, 9, [Opcode.LOAD_CARD]))
    assert line.busy
    assert line.exchange(b"", 100_000) == b""
    assert not line.busy
    line.close()
