"""What synthesis makes of the hardware does what the hardware says, in every cycle."""

import random

import pytest
from amaranth.hdl import signed, unsigned

from formats.engine import EngineParameters
from hw.engine.activation_memory import ActivationMemory
from hw.engine.lane import Lane
from hw.router.parameters import UnitParameters
from hw.router.primitives.prefix import Prefix
from tests.synth.netlists.pairs import Pair, Pairs
from tests.synth.netlists.subjects import Buffer, Product, Shift

LANE_FORMATS = EngineParameters(("scaled-3bit", "trellis-2bit")).lane_formats
ENGINE = EngineParameters(("scaled-4bit",), port_bytes=4, maximum_columns=2048, multiplier_bits=18)
INIT = [random.Random(7).getrandbits(36) for _ in range(512)]


def buffer(width: int, depth: int, part: int, init: int = 0) -> Pair:
    """A memory of which the first ``init`` words are not 0."""
    words = [word & (1 << width) - 1 for word in INIT[:init]]
    return Pair(f"{depth} words of {width} bits, written {part} at a time", lambda: Buffer(width, depth, part, words))


PAIRS = (
    Pair(
        "lane of two formats",
        lambda: Lane(LANE_FORMATS, activation_bits=16, batch=1, multiplier_bits=18),
        seldom=("first",),
    ),
    Pair("activation memory", lambda: ActivationMemory(ENGINE)),
    Pair("router's prefix", lambda: Prefix(UnitParameters(lanes=4, keys=16)), seldom=("start",)),
    Pair("shift of 40 bits", Shift),
    Pair("signed product", lambda: Product(signed(18), signed(18))),
    Pair("unsigned product", lambda: Product(unsigned(17), unsigned(18))),
    Pair("product with a sign", lambda: Product(signed(18), unsigned(17))),
    Pair("product of two multipliers", lambda: Product(signed(25), signed(18))),
    buffer(36, 512, 9, init=512),
    buffer(18, 1024, 9, init=512),
    buffer(9, 2048, 9, init=512),
    buffer(4, 4096, 4, init=512),
    buffer(40, 300, 40, init=300),
    Pair(
        "signed product in the place of an unsigned one",
        lambda: Product(unsigned(18), unsigned(18)),
        wrong=lambda: Product(signed(18), signed(18)),
    ),
)

DIFFERENT = PAIRS[-1].name


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return Pairs(PAIRS)


def check(pairs: Pairs, cycles: int) -> None:
    counts = pairs.run(seed=5, cycles=cycles)
    assert {name for name, (differing, _) in counts.items() if differing} == {DIFFERENT}
    assert all(changing > cycles // 8 for _, changing in counts.values()), counts


def test_cells_equal_the_hardware_in_a_thousand_cycles(pairs: Pairs) -> None:
    check(pairs, 1_000)


@pytest.mark.soak
def test_cells_equal_the_hardware_in_a_hundred_thousand_cycles(pairs: Pairs) -> None:
    check(pairs, 100_000)
