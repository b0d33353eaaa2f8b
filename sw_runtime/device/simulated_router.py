"""The router's Verilog, cycle by cycle."""

from dataclasses import asdict

from formats.router.answer import Answer
from formats.router.descriptor import RouterParameters, Status
from formats.router.legality import MAXIMUM_ELEMENTS, refusal
from formats.router.stream import to_beats
from hw.router.parameters import UnitParameters
from sw_runtime.device.cycle_limits import INFO_WORDS, cycle_limit
from sw_runtime.device.protocol import Request
from sw_runtime.device.routing import TRAILER_WORDS
from sw_runtime.device.simulator.router_library import Packet, RouterSimulator, build_router

START_UP = 1000
"""Cycles that a command may take to reach its start and to be refused."""


class SimulatedRouter:
    """A router whose every cycle is simulated, one command at a time.

    Parameters
    ----------
    parameters
        The router to simulate.
    simulator
        Where it is simulated, if not alone.

    Raises
    ------
    ValueError
        If hardware cannot be built for the parameters.
    RuntimeError
        If the simulator cannot be built.
    """

    def __init__(self, parameters: RouterParameters, simulator: RouterSimulator | None = None) -> None:
        self._parameters = unit_parameters(parameters)
        self._simulator = simulator or RouterSimulator(build_router(self._parameters), self._parameters)

    def execute(self, request: Request) -> tuple[Answer, int]:
        """Run a command to its end; returns its answer and the busy cycles of its trailer.

        Raises
        ------
        RuntimeError
            If the router stops answering.
        """
        command, parameters = request.command, self._parameters
        beats = to_beats(request.data, command, parameters)
        word_limit = 2 * min(command.n, MAXIMUM_ELEMENTS) + INFO_WORDS + TRAILER_WORDS + 1
        cycles = len(beats) + START_UP
        if refusal(command, parameters) == Status.OK:
            cycles += cycle_limit(command, parameters)
        words, _ = self._simulator.run([Packet(command, beats)], word_limit, cycles)
        return answer_of(words)

    def close(self) -> None:
        """Free the simulated router."""
        self._simulator.close()


def unit_parameters(parameters: RouterParameters) -> UnitParameters:
    """The same router as hardware.

    Raises
    ------
    ValueError
        If hardware cannot be built for the parameters.
    """
    return UnitParameters(**asdict(parameters))


def answer_of(words: list[int]) -> tuple[Answer, int]:
    """Take the words of an answer apart: the answer, and its busy cycles."""
    *payload, status, opcode, count, count_high, busy, busy_high = words
    answer = Answer(
        tuple(payload), Status(status & 0xFF), status >> 8, opcode & 0xFF, opcode >> 8, count | count_high << 16
    )
    return answer, busy | busy_high << 16
