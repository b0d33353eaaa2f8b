"""A simulated router beside the golden unit: the same problems, and words that must be the same."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from formats.router.legality import beats_due
from formats.router.stream import to_beats
from golden_models.router.unit import RouterUnit
from hw.router.parameters import UnitParameters
from sw_runtime.device.simulator.build import build_accelerator
from sw_runtime.device.simulator.library import IDEAL, Simulator, Traffic
from sw_runtime.device.transport import Packet
from tests.hw.router.problems import Problem

BUSY_WORDS = 2


@cache
def built(parameters: UnitParameters) -> Path:
    """The simulator of a router on its own."""
    return build_accelerator(None, parameters)


class Bench:
    """Both routers, whose memories go through the same commands.

    Parameters
    ----------
    parameters
        Their size.
    library
        The simulator, where it is not the usual one.
    """

    def __init__(self, parameters: UnitParameters, library: Path | None = None) -> None:
        self.parameters = parameters
        self.golden = RouterUnit(parameters)
        self.simulator = Simulator(library or built(parameters), None, parameters)

    def close(self) -> None:
        """Free the simulator."""
        self.simulator.close()

    def check(self, problems: Sequence[Problem], traffic: Traffic = IDEAL) -> list[int]:
        """Run the problems on both, compare every word, and return each command's busy cycles.

        Raises
        ------
        AssertionError
            If a word differs, naming the problem.
        """
        expected = [self.golden.execute(p.command, p.data, p.aborted).words() for p in problems]
        words = self.run(problems, expected, traffic)
        return compare(problems, expected, words)

    def run(
        self, problems: Sequence[Problem], expected: Sequence[tuple[int, ...]], traffic: Traffic = IDEAL
    ) -> list[int]:
        """Words of the simulated router alone; one more than expected ends the run."""
        packets = [self._packet(problem) for problem in problems]
        elements = sum(len(packet.beats) + beats_due(packet.command, self.parameters) for packet in packets)
        words = sum(len(answer) + BUSY_WORDS for answer in expected)
        # the least patient of the tests' pauses takes part in a twentieth of the cycles
        cycle_limit = 20 * (10_000 * len(packets) + 64 * elements + 2 * words)
        return self.simulator.route(packets, words + 1, cycle_limit, traffic)[0]

    def _packet(self, problem: Problem) -> Packet:
        beats = to_beats(problem.data, problem.command, self.parameters)
        return Packet(problem.command, beats, problem.aborted)


def compare(problems: Sequence[Problem], expected: Sequence[tuple[int, ...]], words: list[int]) -> list[int]:
    """Hold answers against those expected, all but the busy cycles, which are returned.

    Raises
    ------
    AssertionError
        If a word differs, naming the problem.
    """
    busy, at = [], 0
    for problem, answer in zip(problems, expected, strict=True):
        end = at + len(answer)
        got = tuple(words[at:end])
        assert got == answer, f"{problem.command}\ngot      {got}\nexpected {answer}"
        busy.append(words[end] | words[end + 1] << 16)
        at = end + BUSY_WORDS
    assert at == len(words), "words after the last answer"
    return busy
