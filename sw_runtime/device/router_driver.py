"""The host's side of a token router behind a transport: packets in, answers out, one command at a time."""

from formats.router.answer import TRAILER_WORDS, Answer
from formats.router.descriptor import RouterParameters, Status
from formats.router.legality import MAXIMUM_ELEMENTS, refusal
from formats.router.stream import to_beats
from sw_runtime.device.cycle_limits import INFO_WORDS, cycle_limit
from sw_runtime.device.protocol import Request
from sw_runtime.device.transport import Packet, Transport

START_UP = 1000
"""Cycles that a command may take to reach its start and to be refused."""

ROUTED_WORDS = 2 + TRAILER_WORDS + 1
"""More words than the answer to a routed command has: FIRST's index and the trailer."""


class RouterDriver:
    """A router at the far end of a transport.

    Parameters
    ----------
    transport
        Carries packets to the router; the driver closes it.
    parameters
        The router's size.
    """

    def __init__(self, transport: Transport, parameters: RouterParameters) -> None:
        self._transport = transport
        self._parameters = parameters

    def execute(self, request: Request) -> tuple[Answer, int]:
        """Run a command to its end; returns its answer and the busy cycles of its trailer.

        Raises
        ------
        DeviceError
            If the router stops answering.
        """
        command, parameters = request.command, self._parameters
        beats = to_beats(request.data, command, parameters)
        word_limit = 2 * min(command.n, MAXIMUM_ELEMENTS) + INFO_WORDS + TRAILER_WORDS + 1
        cycles = len(beats) + START_UP
        if refusal(command, parameters) == Status.OK:
            cycles += cycle_limit(command, parameters)
        return answer_of(self._transport.route(Packet(command, beats), word_limit, cycles))

    def close(self) -> None:
        """Close the transport."""
        self._transport.close()


def answer_of(words: list[int]) -> tuple[Answer, int]:
    """Take the words of an answer apart: the answer, and its busy cycles."""
    *payload, status, opcode, count, count_high, busy, busy_high = words
    answer = Answer(
        tuple(payload), Status(status & 0xFF), status >> 8, opcode & 0xFF, opcode >> 8, count | count_high << 16
    )
    return answer, busy | busy_high << 16
