"""Requests over a bad line: each is executed once and in order, and every answer is the right one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.errors import DeviceError, InputError
from formats.link import Kind
from golden_models.line import LineFaults
from golden_models.link import LinkModel
from sw_runtime.device.link import session
from sw_runtime.device.link.channel import LinkChannel
from sw_runtime.device.link.packets import octets_of
from tests.sw_runtime.device.link.channels import Bench, answers, requests

SHARES = st.sampled_from([0.0, 0.02, 0.1])


@settings(max_examples=40, deadline=None)
@given(
    faults=st.builds(LineFaults, st.sampled_from([0.0, 1e-4, 2e-3]), SHARES, SHARES, SHARES),
    seed=st.integers(0, 10**6),
    window=st.sampled_from([2, 4, 8]),
    count=st.integers(1, 60),
)
def test_a_bad_line_changes_no_answer_and_repeats_no_request(
    faults: LineFaults, seed: int, window: int, count: int
) -> None:
    bench, asked = Bench(faults, seed, window=window), requests(count, seed)
    assert list(bench.channel().exchange(asked)) == answers(asked)
    assert bench.core.executed == [tuple(words) for words in asked]


def test_sequence_numbers_wrap() -> None:
    bench, asked = Bench(LineFaults(2e-4, 0.02, 0.02, 0.02)), requests(400)
    assert list(bench.channel().exchange(asked)) == answers(asked)


def test_a_good_line_carries_nothing_twice() -> None:
    bench, asked = Bench(), requests(100)
    channel = bench.channel()
    assert list(channel.exchange(asked)) == answers(asked)
    assert channel.repeats == 0


MOMENTS, STATES = range(100), 50


def unplugged(calls: int, asked: list[list[int]]) -> tuple[Bench, LinkChannel]:
    """A bad line that goes after so many calls within an exchange: one line of error, at once."""
    bench = Bench(LineFaults(2e-3, lost=0.1), seed=calls)
    channel = bench.channel()
    bench.breaks_after = bench.calls + calls
    before = bench.line.now
    with pytest.raises(DeviceError, match=r"^the line is gone$"):
        list(channel.exchange(asked))
    assert bench.line.now - before < 2
    return bench, channel


def test_the_moments_at_which_a_cable_goes_are_fifty_states_and_more() -> None:
    """How often each request of the window was sent and whether it has its answer; how far the device is; what is on
    the way.
    """
    states = set()
    for calls in MOMENTS:
        bench, channel = unplugged(calls, requests(80))
        session = channel._session
        window = tuple((each.times, each.answer is not None) for each in session._waiting.values())
        ahead = (bench.device.next - session._base - session._first) % 256
        states.add((window, ahead, len(bench.line._up), len(bench.line._down)))
    assert len(states) >= STATES


@pytest.mark.parametrize("calls", MOMENTS)
def test_a_cable_that_goes_at_any_moment_costs_one_line_and_no_request_is_lost_or_repeated(calls: int) -> None:
    asked = requests(80)
    bench, channel = unplugged(calls, asked)
    channel.reconnect()
    rest = asked[len(bench.core.executed) :]
    assert list(channel.exchange(rest)) == answers(asked)[len(asked) - len(rest) :]
    assert bench.core.executed == [tuple(words) for words in asked]


def test_a_device_that_falls_silent_is_given_up_within_two_seconds_in_one_line() -> None:
    bench = Bench()
    channel = bench.channel()
    bench.device = LinkModel(bench.core)
    bench.device.receive = lambda octets: []  # type: ignore[method-assign]
    before = bench.line.now
    with pytest.raises(
        DeviceError, match=r"^/dev/ttyUSB9: the device has not answered for 1\.5 s: look at its power"
    ) as raised:
        channel.ask(requests(1)[0])
    assert "\n" not in str(raised.value)
    assert bench.line.now - before < 2


ECHO = "^/dev/ttyUSB9: the line returns what is sent to it: its two wires are joined or crossed; check the cable$"


def test_a_line_that_returns_what_is_sent_is_told_at_once() -> None:
    bench = Bench()
    bench.device.receive = lambda octets: [octets]  # type: ignore[method-assign]
    with pytest.raises(DeviceError, match=ECHO):
        bench.channel()
    assert bench.line.now < 0.1


def test_a_cable_that_is_crossed_within_a_session_is_told_at_once() -> None:
    bench = Bench()
    channel, before = bench.channel(), bench.line.now
    bench.device.receive = lambda octets: [octets]  # type: ignore[method-assign]
    with pytest.raises(DeviceError, match=ECHO):
        channel.ask(requests(1)[0])
    assert bench.line.now - before < 0.1


@pytest.mark.parametrize("kind", [Kind.GREETING, Kind.REQUEST])
def test_what_another_session_of_the_host_sent_says_nothing_of_the_line(kind: Kind) -> None:
    bench = Bench()
    channel, receive = bench.channel(), bench.device.receive
    foreign = octets_of(kind, 0, (channel._session.number + 1) % 2**16, [1])
    bench.device.receive = lambda octets: [foreign, *receive(octets)]  # type: ignore[method-assign]
    assert channel.ask(requests(1)[0]) == answers(requests(1))[0]


def test_a_device_at_work_for_long_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    channel, receive = bench.channel(), bench.device.receive

    def work(octets: bytes) -> list[bytes]:
        """Five seconds in which the device has the request and says so."""
        answer = receive(octets)
        at_work = bench.line.now < 5
        return receive(b"\0\1\0") if at_work else answer

    bench.device.receive = work  # type: ignore[method-assign]
    assert channel.ask(requests(1)[0]) == answers(requests(1))[0]
    assert bench.line.now > 5
    assert len(bench.core.executed) == 1


def test_a_device_that_was_reset_says_so() -> None:
    bench = Bench()
    channel = bench.channel()
    bench.reset_device()
    with pytest.raises(DeviceError, match="the device has lost this session: it was reset, or another program"):
        channel.ask(requests(1)[0])


def test_a_second_program_takes_the_device_over_and_the_first_is_told() -> None:
    bench, asked = Bench(), requests(2)
    first = bench.channel()
    assert first.ask(asked[0])
    assert bench.channel().ask(asked[1]) == answers(asked)[1]
    with pytest.raises(DeviceError, match="another program greeted it"):
        first.ask(asked[1])


def test_a_device_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "VERSION", 2)
    with pytest.raises(DeviceError, match="the device speaks version 1 of the link, this program 2: take a bitstream"):
        Bench().channel()


def test_a_response_too_long_for_the_link_is_the_cores_fault() -> None:
    bench = Bench()
    bench.device.words = 8
    with pytest.raises(DeviceError, match="longer than its link carries; its core is at fault"):
        list(bench.channel().exchange([[0x11, 0, 20]]))


@pytest.mark.parametrize("words", [0, 1025])
def test_a_request_that_no_packet_holds_is_refused(words: int) -> None:
    with pytest.raises(InputError, match=f"a request has 1 to 1024 words, not {words}: cut it into parts"):
        Bench().channel().ask([1] * words)


def test_a_core_that_never_answers_is_given_up() -> None:
    bench = Bench()
    channel, receive = bench.channel(), bench.device.receive
    bench.device.receive = lambda octets: receive(b"\0\1\0")  # type: ignore[method-assign]
    with pytest.raises(
        DeviceError, match=r"^/dev/ttyUSB9: 1000 attempts brought no response: .* lower the baud rate or reset the"
    ):
        channel.ask(requests(1)[0])


def test_an_exchange_that_is_left_early_leaves_nothing_behind() -> None:
    bench, asked = Bench(), requests(12)
    channel = bench.channel()
    begun = channel.exchange(asked[:6])
    assert next(begun) == answers(asked)[0]
    done = len(bench.core.executed)
    assert done <= 6
    assert list(channel.exchange(asked[6:]))[-1][0] & 0xFF == asked[-1][0]
    assert len(bench.core.executed) < 12
    assert bench.core.executed[-6:] == [tuple(words) for words in asked[6:]]
