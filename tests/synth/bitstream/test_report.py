"""What nextpnr says of a bitstream, read and shown."""

import json
import re
from dataclasses import replace

import pytest

from formats.errors import DependencyError
from hw.board.boards import BOARDS
from synth.bitstream.build import Order
from synth.bitstream.page import page
from synth.bitstream.report import KINDS, Hop, Report, implied, routing


def hop(delay: float, cell: str, net: str = "") -> dict[str, object]:
    return {"delay": delay, "from": {"cell": "a"}, "to": {"cell": cell}, **({"net": net} if net else {})}


INSIDE = [
    hop(0.5, "board.memory.full_TRELLIS_FF_Q"),
    hop(1.0, "board.memory.full_LUT4_A", net="board.memory.full"),
    hop(0.25, "board.memory.full.$sub$1"),
    hop(2.0, "$abc$9$lut", net="$abc$9$n7"),
    hop(0.25, "board.reader.left_CCU2C_COUT_3", net="board.reader.left[3]"),
]


def nextpnr(clocks: dict[str, tuple[float, float]]) -> str:
    """What nextpnr writes, cut down; each clock has what it reaches and what it is held to."""
    name = next(iter(clocks), "")
    paths = [
        {"from": f"posedge {name}", "to": f"posedge {name}", "path": INSIDE},
        {"from": f"posedge {name}", "to": "<async>", "path": [hop(0.5, "x"), hop(4.0, "y")]},
        {"from": "<async>", "to": f"posedge {name}", "path": [hop(3.0, "x")]},
    ]
    return json.dumps(
        {
            "fmax": {clock: {"achieved": got, "constraint": held} for clock, (got, held) in clocks.items()},
            "utilization": {kind: {"used": 7, "available": 56} for kind in KINDS},
            "critical_paths": paths,
        }
    )


def report(*megahertz: float) -> Report:
    routings = [routing(seed + 1, nextpnr({"clk": (each, 100.0)}), 100) for seed, each in enumerate(megahertz)]
    speeds = implied(BOARDS["ulx3s-32mb"], Order("ulx3s-25f").parameters)
    return Report(
        "ulx3s-25f",
        "LFE5U-25F-6",
        "ulx3s-32mb",
        "scaled-4bit",
        False,
        False,
        100,
        3_000_000,
        0xBEEF,
        routings,
        speeds,
        {"a <b>": "1"},
    )


def test_a_placement_has_clock_cells_and_the_ways_to_the_pins() -> None:
    found = routing(3, nextpnr({"clk": (104.5, 100.0)}), 100)
    assert (found.seed, found.megahertz, found.used["DP16KD"]) == (3, 104.5, (7, 56))
    assert (found.out_nanoseconds, found.in_nanoseconds) == (4.5, 3.0)


def test_the_slowest_path_is_told_in_the_names_of_the_sources() -> None:
    found = routing(1, nextpnr({"clk": (104.5, 100.0)}), 100)
    assert found.critical_path == [Hop(3.75, "board.memory.full"), Hop(0.25, "board.reader.left[3]")]


@pytest.mark.parametrize(
    ("clocks", "held"), [({"clk": (200.0, 12.0)}, "clk to 12 MHz"), ({}, "none at all")], ids=["another", "none"]
)
def test_a_clock_that_was_not_held_to_what_the_pll_makes_is_an_error(
    clocks: dict[str, tuple[float, float]], held: str
) -> None:
    with pytest.raises(DependencyError, match=f"nextpnr-ecp5 held no clock to 100 MHz but {held}"):
        routing(1, nextpnr(clocks), 100)


def test_the_slowest_placement_judges_and_the_fastest_is_packed() -> None:
    found = report(103.0, 101.5, 110.0)
    assert (found.worst.seed, found.best.seed) == (2, 3)


def test_the_memory_says_how_many_tokens_a_clock_is_worth() -> None:
    linears, everything = implied(BOARDS["ulx3s-32mb"], Order("ulx3s-25f", "scaled-2bit").parameters)
    assert linears.bytes_a_token == 106_168_320 // 4
    assert linears.tokens_per_second == pytest.approx(200e6 * 0.976 / linears.bytes_a_token)
    assert (linears.fits, everything.fits) == (True, False)
    slower, _ = implied(BOARDS["ulx3s-32mb"], Order("ulx3s-25f", "scaled-2bit", clock_mhz=75).parameters)
    assert slower.tokens_per_second == pytest.approx(0.75 * linears.tokens_per_second)


def test_lanes_that_take_words_more_slowly_than_the_memory_gives_them_limit_the_tokens() -> None:
    three, four = (
        implied(BOARDS["orangecrab"], Order("orangecrab-85f", f"scaled-{bits}bit").parameters)[0] for bits in (3, 4)
    )
    assert three.tokens_per_second == pytest.approx(8 * 48e6 / 106_168_320)
    assert four.tokens_per_second == pytest.approx(384e6 * 0.497 / (106_168_320 / 2))


def test_the_page_has_every_section_and_escapes_what_is_not_ours() -> None:
    html = page(report(103.0, 101.5))
    assert "The slowest placement reaches 100 MHz." in html
    assert "build 0000beef" in html
    assert "<td>board.memory.full</td><td>3.75</td>" in html
    assert "<td>block RAMs of 18 Kbit</td><td>7</td><td>56</td><td>12.5%</td>" in html
    assert "a &lt;b&gt;" in html
    assert re.findall(r"<h2>(.*?) \((routed|derived)\)</h2>", html) == [
        ("Placements", "routed"),
        ("What is used", "routed"),
        ("Slowest path, of the slowest placement", "routed"),
        ("What it implies for SmolLM2-135M", "derived"),
    ]


def test_the_page_says_what_was_built() -> None:
    assert "an engine with one lane of scaled-4bit" in page(report(103.0))
    assert "a whole decoder with one lane of scaled-4bit" in page(replace(report(103.0), decoder=True))
    with_card = page(replace(report(103.0), card=True))
    assert "one lane of scaled-4bit and a memory card&#x27;s loader, serial line" in with_card


def test_the_page_says_when_a_placement_is_too_slow() -> None:
    assert "The slowest placement does not reach 100 MHz." in page(report(103.0, 99.5))
    assert "reaches 100 MHz." in page(replace(report(103.0), clock_mhz=100.0))
