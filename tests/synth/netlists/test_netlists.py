"""What synthesis makes of the hardware does what the hardware says, in every cycle."""

import random
from functools import partial
from pathlib import Path

import pytest
from amaranth.hdl import signed, unsigned

from formats.engine import EngineParameters
from formats.errors import DependencyError
from formats.presets import PALETTES, PRESETS, TRELLIS_PRESETS
from hw.engine.lane import Lane
from hw.router.parameters import UnitParameters
from hw.router.primitives.prefix import Prefix
from sw_runtime.device.simulator.build import TOP, build_library
from synth.flow import ECP5_MODELS
from tests.synth.netlists.pairs import HARNESS, Pair, Pairs
from tests.synth.netlists.subjects import ApartBuffer, Buffer, Group, Product, Shift

SEEDS = 4
INIT = [random.Random(7).getrandbits(40) for _ in range(512)]


def lane(*formats: str) -> Pair:
    """A lane of these formats; a word in every cycle."""
    lane_formats = EngineParameters(formats).lane_formats
    build = partial(Lane, lane_formats, activation_bits=16, batch=1, multiplier_bits=18)
    return Pair(f"lane of {' and '.join(formats)}", build, seldom=("first",))


def products() -> Group:
    """Every sign, and one that takes two multipliers."""
    return Group(
        signed=Product(signed(18), signed(18)),
        unsigned=Product(unsigned(18), unsigned(18)),
        mixed=Product(signed(18), unsigned(17)),
        wide=Product(signed(25), signed(18)),
    )


def memories() -> Group:
    """Block RAM of every width, of a depth that is no power of two, and read while none is written; one in LUTs."""
    return Group(
        bits36=Buffer(36, 512, 9, INIT),
        bits18=Buffer(18, 1024, 9, INIT),
        bits9=Buffer(9, 2048, 9, INIT),
        bits4=Buffer(4, 4096, 4, INIT),
        odd=Buffer(40, 300, 40, INIT),
        small=Buffer(4, 13, 4, INIT),
        apart=ApartBuffer(36, 512),
    )


DIFFERENT = Pair(
    "signed product instead of an unsigned one",
    lambda: Product(unsigned(18), unsigned(18)),
    wrong=lambda: Product(signed(18), signed(18)),
)
PAIRS = (
    lane("scaled-3bit", "trellis-2bit"),
    Pair("the router's prefix", lambda: Prefix(UnitParameters(lanes=4, keys=16)), seldom=("start",)),
    Pair("shift of 40 bits", Shift),
    Pair("products", products),
    Pair("memories", memories),
    DIFFERENT,
)


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return Pairs(PAIRS)


def check(pairs: Pairs, cycles: int) -> None:
    """All equal but the pair that must not be. Some seeds keep a unit waiting for most of their cycles."""
    runs = [pairs.run(seed=seed, cycles=cycles // SEEDS) for seed in range(SEEDS)]
    differing = {name for run in runs for name, (count, _) in run.items() if count}
    assert differing == {DIFFERENT.name}
    for name in runs[0]:
        changing = [run[name][1] for run in runs]
        assert sum(changing) > cycles // 20, (name, changing)


def test_cells_equal_the_hardware_in_a_thousand_cycles(pairs: Pairs) -> None:
    check(pairs, 1_000)


@pytest.mark.soak
def test_cells_equal_the_hardware_in_a_hundred_thousand_cycles(pairs: Pairs) -> None:
    check(pairs, 100_000)


@pytest.mark.soak
def test_cells_equal_the_hardware_in_a_hundred_thousand_blocks_of_every_format() -> None:
    lanes = [lane(name) for name in (*PRESETS, *TRELLIS_PRESETS, *PALETTES)]
    check(Pairs([*lanes, DIFFERENT]), 100_000)


@pytest.mark.parametrize(
    "mode", ['.REGMODE_A("OUTREG")', '.WRITEMODE_B("WRITETHROUGH")', '.CLKBMUX("INV")', '.CSDECODE_A("0b001")']
)
def test_a_mode_of_block_ram_that_is_not_modelled_is_refused(mode: str) -> None:
    text = f"{Path(ECP5_MODELS).read_text()}\nmodule {TOP} (input clk); DP16KD #({mode}) memory (.CLKA(clk)); endmodule"
    with pytest.raises(DependencyError, match="this_mode_of_DP16KD_is_not_modelled"):
        build_library(lambda: text, (text,), HARNESS, "a refused mode")
