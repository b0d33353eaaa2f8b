"""What a link does with packets that come at the wrong moment."""

import zlib

import pytest

from formats.board_requests import Opcode, request_words
from formats.errors import InputError
from formats.link import Kind
from golden_models.link import framed
from hw.link.link import LinkParameters
from hw.link.uart import UartReceiver
from sw_runtime.device.simulator.line import LineSimulation
from tests.hw.link.directed import (
    SESSION,
    bare,
    check_repeat_at_work,
    check_requests_without_a_pause,
    request,
    send,
    slow_request,
)
from tests.hw.link.subject import MEMORY_WORDS, PARAMETERS, QUIET_CYCLES

GREETING = framed(Kind.GREETING, 0, SESSION)
CHECKSUM = framed(Kind.RESPONSE, 0, SESSION, [Opcode.CHECKSUM, zlib.crc32(bytes(4 * MEMORY_WORDS))]).strip(b"\0")


def test_nothing_is_executed_before_a_greeting(line: LineSimulation) -> None:
    assert send(line, slow_request(0)) == [bare(Kind.REFUSED, 0)]


def test_damage_before_a_greeting_is_not_answered(line: LineSimulation) -> None:
    assert send(line, GREETING[:5] + b"\0") == []


def test_a_request_that_comes_again_at_work_is_acknowledged_and_executed_once(line: LineSimulation) -> None:
    check_repeat_at_work(line)


def test_a_new_session_waits_for_the_request_at_work_and_drops_its_response(line: LineSimulation) -> None:
    send(line, GREETING)
    (welcome,) = send(line, slow_request(0), framed(Kind.GREETING, 0, SESSION + 1))
    assert welcome == framed(Kind.WELCOME, 0, SESSION + 1, PARAMETERS.welcome).strip(b"\0")


def test_of_two_greetings_at_work_the_last_one_counts(line: LineSimulation) -> None:
    send(line, GREETING)
    greetings = [framed(Kind.GREETING, 0, SESSION + n) for n in (1, 2)]
    (welcome,) = send(line, slow_request(0), *greetings)
    assert welcome == framed(Kind.WELCOME, 0, SESSION + 2, PARAMETERS.welcome).strip(b"\0")


def test_a_greeting_of_the_open_session_changes_nothing(line: LineSimulation) -> None:
    send(line, GREETING)
    welcome, response = send(line, slow_request(0), GREETING)
    assert welcome == framed(Kind.WELCOME, 0, SESSION, PARAMETERS.welcome).strip(b"\0")
    assert response == CHECKSUM


def test_a_packet_after_a_pause_within_another_is_taken(line: LineSimulation) -> None:
    send(line, GREETING)
    assert line.exchange(slow_request(0)[:9], PARAMETERS.pause_cycles + QUIET_CYCLES).strip(b"\0") == bare(
        Kind.ACKNOWLEDGE, 0
    )
    assert send(line, slow_request(0).strip(b"\0") + b"\0") == [CHECKSUM]


def test_a_full_window_is_executed_in_order_whatever_order_it_came_in(line: LineSimulation) -> None:
    send(line, GREETING)
    write = [request(n, *request_words(Opcode.WRITE, 0, data=[n])) for n in range(3)]
    read = request(3, *request_words(Opcode.READ, 0, 1))
    packets = send(line, read, write[2], write[1], write[0])
    assert packets[-1] == framed(Kind.RESPONSE, 3, SESSION, [Opcode.READ, 2]).strip(b"\0")


def test_requests_without_a_pause_are_answered_while_others_come(line: LineSimulation) -> None:
    check_requests_without_a_pause(line)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"window": 3}, "window must be 2, 4 or 8, not 3"),
        ({"words": 1000}, "words must be a power of two from 2 to 1024, not 1000"),
        ({"words": 2048}, "words must be a power of two from 2 to 1024, not 2048"),
        ({"pause_cycles": 1}, "pause_cycles must be 2 or more, not 1"),
        ({"build": 1 << 32}, "the field build takes 0 to 4294967295, not 4294967296"),
    ],
)
def test_a_size_that_no_link_has_is_refused(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LinkParameters(**sizes)


def test_a_bit_of_too_few_cycles_is_refused() -> None:
    with pytest.raises(InputError, match="a bit must last 4 cycles or more, not 3: lower the baud rate or raise"):
        UartReceiver(divisor=3)
