"""Routers of several shapes, each compiled once."""

from collections.abc import Iterator

import pytest

from hw.router.parameters import UnitParameters
from tests.hw.router.bench import Bench

FULL_SIZE = [UnitParameters(lanes=lanes) for lanes in (4, 8, 16)]

ODD = UnitParameters(lanes=8, digit_bits=6, keys=112, slots=5, sets=3, ways=5)
"""Nothing about it is a power of two, and its digits are wider."""


def name(parameters: UnitParameters) -> str:
    """What a test of this router is called."""
    return f"{parameters.lanes}-lanes-{parameters.keys}-keys"


@pytest.fixture(params=FULL_SIZE, ids=name)
def full_size(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Routers of the usual size, as they are after reset."""
    bench = Bench(request.param)
    yield bench
    bench.close()


@pytest.fixture(params=[ODD, FULL_SIZE[-1]], ids=name)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A small odd router and the usual one, as they are after reset."""
    bench = Bench(request.param)
    yield bench
    bench.close()


@pytest.fixture
def odd() -> Iterator[Bench]:
    """The small odd router, as it is after reset."""
    bench = Bench(ODD)
    yield bench
    bench.close()
