"""What needs its moment: packets that meet a core at work."""

from random import Random

from formats.board_requests import Opcode, request_words
from formats.link import Kind
from golden_models.link import framed
from sw_runtime.device.simulator.line import LineSimulation
from tests.hw.link.subject import MEMORY_WORDS, PARAMETERS, QUIET_CYCLES

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


def check_requests_without_a_pause(line: LineSimulation) -> None:
    """Words that are read of one request or response while those of another are written are right.

    Raises
    ------
    AssertionError
        If a response is wrong, or does not come.
    """
    session, random = SESSION + 7, Random(5)
    send(line, framed(Kind.GREETING, 0, session))
    for first in range(0, 64, 2 * PARAMETERS.window):
        sent, expected = [], []
        for sequence in range(first, first + PARAMETERS.window, 2):
            words = [random.getrandbits(32) for _ in range(random.randrange(20, 100))]
            write, read = request_words(Opcode.WRITE, 0, data=words), request_words(Opcode.READ, 0, len(words))
            sent += [framed(Kind.REQUEST, sequence, session, write), framed(Kind.REQUEST, sequence + 1, session, read)]
            expected += [
                framed(Kind.RESPONSE, sequence, session, [Opcode.WRITE]).strip(b"\0"),
                framed(Kind.RESPONSE, sequence + 1, session, [Opcode.READ, *words]).strip(b"\0"),
            ]
        assert send(line, *sent) == expected
        # each of these is executed while the response of the one before it is sent
        again = range(first + PARAMETERS.window, first + 2 * PARAMETERS.window)
        sent = [framed(Kind.REQUEST, sequence, session, read) for sequence in again]
        responses = [framed(Kind.RESPONSE, sequence, session, [Opcode.READ, *words]) for sequence in again]
        assert send(line, *sent) == [response.strip(b"\0") for response in responses]
