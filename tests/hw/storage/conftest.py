"""One simulator for all tests of the loader."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hw.storage.simulation import CardSimulation, build


@pytest.fixture(scope="session")
def library() -> Path:
    """The loader, compiled."""
    return build()


@pytest.fixture
def simulation(library: Path) -> Iterator[CardSimulation]:
    """The loader, out of reset."""
    opened = CardSimulation(library)
    yield opened
    opened.close()
