"""One simulator for all tests of the memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hw.memory.simulation import MemorySimulation, build


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The subject with its engine, compiled."""
    return build(tmp_path_factory.mktemp("memory"))


@pytest.fixture
def simulation(library: Path) -> Iterator[MemorySimulation]:
    """The subject with the first controller, out of reset."""
    opened = MemorySimulation(library)
    yield opened
    opened.close()
