"""One simulator for all tests of DDR3 memory: the OrangeCrab's, with its port of 8 bytes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hw.memory.litedram.boards import ORANGECRAB
from tests.hw.memory.litedram.mutants import build_mutants
from tests.hw.memory.litedram.simulation import Ddr3Simulation, Lane

Opened = Callable[..., Ddr3Simulation]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The subject, compiled once for all: with every mutant, none of which is switched on."""
    return build_mutants(tmp_path_factory.mktemp("ddr3"))


@pytest.fixture
def opened(library: Path) -> Iterator[Opened]:
    """Open a subject whose lanes read right at some settings; it is not started."""
    simulations: list[Ddr3Simulation] = []

    def open_one(*lanes: Lane) -> Ddr3Simulation:
        simulations.append(Ddr3Simulation(library, ORANGECRAB, *([lanes] if lanes else [])))
        return simulations[-1]

    yield open_one
    for simulation in simulations:
        simulation.close()


@pytest.fixture(scope="module")
def started(library: Path) -> Iterator[Ddr3Simulation]:
    """A subject that is started, shared by a module's tests: what they write, others may find."""
    simulation = Ddr3Simulation(library, ORANGECRAB)
    assert simulation.start()
    yield simulation
    simulation.close()
