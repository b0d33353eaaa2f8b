"""When the host sends a packet again, and how often."""

import pytest

from golden_models.line import LineFaults
from golden_models.link import LinkModel
from sw_runtime.device.link.session import LEAST_SLACK, Session
from tests.sw_runtime.device.link.channels import Bench, answers, requests

SESSION, TRIP = 7, 0.001
QUICK, SLOW = 1e-8, 1e-4
"""Seconds of a byte: a packet is far shorter, and longer, than a trip."""


def echo(words: list[int]) -> list[int]:
    return words


class Talk:
    """A session with a device that has welcomed it, by hand: what is sent comes to the device only if it is carried."""

    def __init__(self, seconds_an_octet: float) -> None:
        self.device, self.session, self.now = LinkModel(echo), Session(SESSION, seconds_an_octet), 0.0
        self.back(self.carried(self.session.to_send(self.now)))

    def sent(self) -> list[bytes]:
        """Packets that the host sends now."""
        return [b"\0%s\0" % part for part in self.session.to_send(self.now).split(b"\0") if part]

    def carried(self, octets: bytes) -> bytes:
        """What the device answers."""
        return b"".join(self.device.receive(octets))

    def back(self, octets: bytes) -> None:
        """Answers come to the host a trip later."""
        self.now += TRIP
        self.session.receive(octets, self.now)


def submitted(talk: Talk, count: int) -> list[bytes]:
    for number in range(count):
        talk.session.submit([number])
    return talk.sent()


def test_requests_that_waited_behind_a_lost_one_are_not_sent_again() -> None:
    talk = Talk(QUICK)
    first, lost, *others = submitted(talk, 4)
    talk.back(b"".join(map(talk.carried, (first, *others))))
    assert talk.sent() == [lost, lost]
    answered = [packet for packet in talk.carried(lost).split(b"\0") if packet]
    assert len(answered) == 3
    talk.now += 1  # long after the others left
    talk.back(b"\0%s\0" % answered[0])
    assert talk.sent() == []
    assert talk.session.repeats == 1


@pytest.mark.parametrize(("seconds_an_octet", "copies"), [(QUICK, 2), (SLOW, 1)])
def test_a_packet_is_sent_again_twice_only_where_the_line_would_stand_idle(
    seconds_an_octet: float, copies: int
) -> None:
    talk = Talk(seconds_an_octet)
    (packet,) = submitted(talk, 1)
    talk.now += talk.session.patience_left(talk.now) + 1e-9
    assert talk.sent() == copies * [packet]


def test_the_patience_grows_while_nothing_comes_and_begins_anew_with_the_next_answer() -> None:
    talk = Talk(QUICK)
    first, _ = submitted(talk, 2)
    patience = [talk.session.patience_left(talk.now)]
    for _ in range(3):
        talk.now += patience[-1] + 1e-9
        assert talk.sent() == [first, first]
        patience.append(talk.session.patience_left(talk.now))
    assert patience == pytest.approx([patience[0] * factor for factor in (1, 2, 4, 8)], rel=1e-3)
    talk.back(talk.carried(first))
    assert talk.session.patience_left(talk.now) < 2 * patience[0]


def test_the_patience_stays_doubled_until_an_answer_comes_undisturbed() -> None:
    talk = Talk(QUICK)
    (packet,) = submitted(talk, 1)
    usual = talk.session.patience_left(talk.now)
    for _ in range(3):  # a simulated device, say: what is sent again only keeps it longer from answering
        talk.now += talk.session.patience_left(talk.now) + 1e-9
        assert talk.sent() == [packet, packet]
    talk.back(talk.carried(packet))
    (packet,) = submitted(talk, 1)
    assert talk.session.patience_left(talk.now) > 8 * usual
    talk.back(talk.carried(packet))
    submitted(talk, 1)
    assert talk.session.patience_left(talk.now) < 4 * usual


def test_trips_with_losses_are_not_taken_for_the_lines() -> None:
    patience = []
    for talk, lossy in ((Talk(QUICK), False), (Talk(QUICK), True)):
        first, second, *others = submitted(talk, 4)
        talk.back(b"".join(map(talk.carried, (first, *([] if lossy else [second]), *others))))
        if lossy:
            assert talk.sent() == [second, second]
            talk.now += 1
            talk.back(talk.carried(second))
        assert len(talk.session.take()) == 4
        submitted(talk, 1)
        patience.append(talk.session.patience_left(talk.now))
    assert patience[1] <= patience[0] + TRIP


class DropsWrite(Bench):
    """A line that loses one of the host's writes."""

    dropped = 0

    def write(self, octets: bytes) -> None:
        self.dropped -= 1
        if self.dropped:
            super().write(octets)


@pytest.mark.parametrize("latency", [0.001, 0.016])
def test_the_last_request_of_an_exchange_is_late_a_little_behind_a_trip(latency: float) -> None:
    bench, asked = DropsWrite(LineFaults(), latency=latency), requests(12)
    channel = bench.channel()
    assert [channel.ask(words) for words in asked] == answers(asked)
    start = bench.line.now
    channel.ask(asked[-1])
    trip, start = bench.line.now - start, bench.line.now
    bench.dropped = 1
    channel.ask(asked[-1])
    assert bench.line.now - start < 2 * trip + 1.5 * LEAST_SLACK
    assert channel.repeats == 1
