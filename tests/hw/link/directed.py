"""What needs its moment: packets that meet a core at work."""

from formats.board_requests import Opcode, request_words
from formats.link import Kind
from golden_models.link import framed
from sw_runtime.device.simulator.line import LineSimulation
from tests.hw.link.subject import MEMORY_WORDS, QUIET_CYCLES

SESSION = 0x0A0B


def request(sequence: int, *words: int) -> bytes:
    return framed(Kind.REQUEST, sequence, SESSION, words)


def send(line: LineSimulation, *packets: bytes) -> list[bytes]:
    """Send packets without a pause between them; returns those that come, without their zeros."""
    return [packet for packet in line.exchange(b"".join(packets), QUIET_CYCLES).split(b"\0") if packet]


def bare(kind: Kind, sequence: int, session: int = SESSION) -> bytes:
    """A packet without payload, without its zeros."""
    return framed(kind, sequence, session).strip(b"\0")


def slow_request(sequence: int) -> bytes:
    """One that keeps the core at work while others come."""
    return request(sequence, *request_words(Opcode.CHECKSUM, 0, MEMORY_WORDS))


def check_repeat_at_work(line: LineSimulation) -> None:
    """A request that comes again while it is executed is there: the next one is named, and one response comes.

    Raises
    ------
    AssertionError
        If it is not so.
    """
    send(line, framed(Kind.GREETING, 0, SESSION))
    packets = send(line, slow_request(0), slow_request(0))
    assert packets[0] == bare(Kind.ACKNOWLEDGE, 1)
    assert [packet[1] for packet in packets[1:]] == [Kind.RESPONSE]
