"""One simulator for all tests of the link."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hw.verilog import convert
from sw_runtime.device.simulator.build import TOP
from sw_runtime.device.simulator.line import LineSimulation
from tests.hw.link.subject import LinkedCore, build_subject


@pytest.fixture(scope="session")
def library() -> Path:
    """The subject, compiled."""
    return build_subject(lambda: convert(LinkedCore(), TOP))


@pytest.fixture
def line(library: Path) -> Iterator[LineSimulation]:
    """The subject, out of reset."""
    opened = LineSimulation(library)
    yield opened
    opened.close()
