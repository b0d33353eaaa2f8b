"""Commands of a paper through the RTL of the router that the papers open on their devices."""

from collections.abc import Sequence

from hw.router.parameters import UnitParameters
from sw_runtime.device.simulator.library import IDEAL, Traffic
from tests.hw.router.bench import Bench
from tests.hw.router.problems import Problem

ROUTER = UnitParameters()
"""One for all papers, so that one simulator serves them; the tests of the router have the same."""

TRAFFIC = (IDEAL, Traffic(0.5, 0.5, 0.5), Traffic(memory=1 / 16), Traffic(results=1 / 16))


def check_packets(problems: Sequence[Problem]) -> None:
    """Run problems under every traffic, each where the last one left the memories; every word must be golden.

    Raises
    ------
    AssertionError
        If a word differs, naming the problem.
    """
    bench = Bench(ROUTER)
    for traffic in TRAFFIC:
        bench.check(problems, traffic)
    bench.close()
