"""Requests to a board: words that are made and read by one set of records."""

import re
from pathlib import Path

import pytest

from formats.board_request_tables import request_tables
from formats.board_requests import (
    MAXIMUM_WORDS,
    REQUESTS,
    STATUS_MEANINGS,
    Opcode,
    Status,
    answer_of,
    request_words,
)
from formats.errors import DeviceError, InputError

DOCS = Path(__file__).parents[2] / "docs" / "requests.md"


def test_every_opcode_has_its_record_and_every_status_its_meaning() -> None:
    assert list(REQUESTS) == list(Opcode)
    assert list(STATUS_MEANINGS) == list(Status)


def test_data_of_any_length_stand_last_and_alone() -> None:
    for request in REQUESTS.values():
        for fields in (request.arguments, request.answer):
            assert all(field.words for field in fields[:-1])


def test_the_tables_are_those_of_the_records() -> None:
    assert DOCS.read_text() == request_tables()


def test_a_request_is_its_opcode_its_arguments_and_its_data() -> None:
    assert request_words(Opcode.READ, 64, 3) == [0x11, 64, 3]
    assert request_words(Opcode.WRITE, 64, data=[7, 8]) == [0x10, 64, 7, 8]
    assert REQUESTS[Opcode.WRITE].least_words == 3


@pytest.mark.parametrize(
    ("opcode", "arguments", "data", "message"),
    [
        (Opcode.READ, (4,), (), "READ takes address, words, not 1 arguments and 0 words of data"),
        (Opcode.RESET, (), (1,), "RESET takes nothing, not 0 arguments and 1 words of data"),
        (Opcode.WRITE, (4,), (), "WRITE takes address, data, not 1 arguments and 0 words of data"),
        (Opcode.READ, (4, 1 << 32), (), "READ: 4294967296 is no number of 32 bits"),
        (
            Opcode.WRITE,
            (4,),
            (0,) * (MAXIMUM_WORDS - 1),
            "WRITE of 1025 words is too long; a request has at most 1024",
        ),
    ],
)
def test_a_request_that_no_board_takes_is_not_made(
    opcode: Opcode, arguments: tuple[int, ...], data: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        request_words(opcode, *arguments, data=data)


def test_an_answer_is_its_fields_and_its_data() -> None:
    assert answer_of(Opcode.COUNTERS, [3, 1, 2, 5, 0, 7]) == (
        {"cycles": 1 + (2 << 32), "port_busy_cycles": 5, "products": 7},
        [],
    )
    assert answer_of(Opcode.READ, [0x11, 5, 6]) == ({}, [5, 6])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the board answered COUNTERS with [], no response to it"),
        ([0x11, 1], "the board answered COUNTERS with [17], no response to it"),
        ([0x0203], "the board refused COUNTERS, WRONG_LENGTH: more or fewer words than the request has"),
        ([0x7703], "the board refused COUNTERS, status 119"),
        ([3, 1, 2], "the board answered COUNTERS with 3 words, not 6"),
    ],
)
def test_an_answer_that_is_none_is_refused(words: list[int], message: str) -> None:
    with pytest.raises(DeviceError, match=f"^{re.escape(message)}$"):
        answer_of(Opcode.COUNTERS, words)
