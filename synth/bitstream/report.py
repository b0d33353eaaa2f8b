"""What a bitstream's report says: clock of every placement, slowest path, what is used, what it implies."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from formats.errors import DependencyError
from hw.board.boards import BoardMemory
from hw.board.parameters import BoardParameters

KINDS = {
    "TRELLIS_COMB": "LUT4 and halves of CCU2C",
    "TRELLIS_FF": "registers",
    "DP16KD": "block RAMs of 18 Kbit",
    "MULT18X18D": "multipliers of 18 x 18",
    "TRELLIS_IO": "pins",
    "EHXPLLL": "PLLs",
}
"""Cells of an ECP5 that the report counts."""

LINEAR_WEIGHTS, HEAD_WEIGHTS = 106_168_320, 28_311_552
"""SmolLM2-135M: all linears of its 30 layers; the head, 49,152 rows of 576."""

_MADE_BY_TOOLS = re.compile(
    r"_(LUT4|TRELLIS_FF|TRELLIS_DPR16X4|CCU2C|PFUMX|L6MUX21|MULT18X18D|DP16KD|ODDRX1F)_.*|\.?\$.*"
)


@dataclass(frozen=True)
class Hop:
    """A piece of a path: nanoseconds, and the signal at its end, in the names of the sources."""

    nanoseconds: float
    signal: str


@dataclass(frozen=True)
class Routing:
    """One placement.

    Parameters
    ----------
    seed
        Of the placer.
    megahertz
        Highest clock.
    used
        Kind of cell → used and available.
    critical_path
        Slowest way from register to register.
    out_nanoseconds, in_nanoseconds
        Slowest way from a register to a pin, and from a pin to a register; the delays of the pins' own buffers and
        of the clock's way are no part of it.
    """

    seed: int
    megahertz: float
    used: Mapping[str, tuple[int, int]]
    critical_path: Sequence[Hop]
    out_nanoseconds: float
    in_nanoseconds: float


def routing(seed: int, report: str, clock_mhz: float) -> Routing:
    """Read what ``nextpnr-ecp5 --report`` writes.

    Raises
    ------
    DependencyError
        If it does not time a clock of ``clock_mhz``.
    """
    found = json.loads(report)
    clocks = [name for name, speed in found["fmax"].items() if abs(speed["constraint"] - clock_mhz) < 0.01 * clock_mhz]
    if len(clocks) != 1:
        held = ", ".join(f"{name} to {speed['constraint']:g} MHz" for name, speed in found["fmax"].items())
        raise DependencyError(f"nextpnr-ecp5 held no clock to {clock_mhz:g} MHz but {held or 'none at all'}")
    edge = f"posedge {clocks[0]}"
    paths = {(path["from"], path["to"]): path["path"] for path in found["critical_paths"]}
    used = {kind: (found["utilization"][kind]["used"], found["utilization"][kind]["available"]) for kind in KINDS}
    return Routing(
        seed,
        found["fmax"][clocks[0]]["achieved"],
        used,
        list(_hops(paths.get((edge, edge), []))),
        _nanoseconds(paths.get((edge, "<async>"), [])),
        _nanoseconds(paths.get(("<async>", edge), [])),
    )


def _nanoseconds(path: Sequence[Mapping[str, Any]]) -> float:
    return float(sum(hop["delay"] for hop in path))


def _hops(path: Sequence[Mapping[str, Any]]) -> Iterator[Hop]:
    """Hops of the same signal as one; what a tool's own cells are called is left to the signal before them."""
    named, last = [], ""
    for hop in path:
        last = _MADE_BY_TOOLS.sub("", hop.get("net", hop["to"]["cell"])) or last
        named.append((last, hop["delay"]))
    for signal, same in groupby(named, key=lambda each: each[0]):
        yield Hop(sum(delay for _, delay in same), signal)


@dataclass(frozen=True)
class Implied:
    """Speed of SmolLM2-135M's products at the memory's share of its peak; derived, nothing was run."""

    products: str
    bytes_a_token: int
    tokens_per_second: float
    fits: bool


def implied(memory: BoardMemory, parameters: BoardParameters) -> list[Implied]:
    """What the clock implies for a model whose matrices all have the format, activations and scales left out.

    The memory limits, or the lanes, which take a word per cycle.
    """
    (its,) = parameters.engine.weight_formats
    taken = parameters.engine.lanes_for(its) * its.block_size * parameters.memory.clock_mhz * 1e6
    rate = parameters.memory.peak_bytes_per_second * memory.share
    sizes = {
        "linears, head on the host": LINEAR_WEIGHTS,
        "linears and head": LINEAR_WEIGHTS + HEAD_WEIGHTS,
    }
    speeds = []
    for name, weights in sizes.items():
        needed = round(weights * its.word_bits / its.block_size / 8)
        speeds.append(Implied(name, needed, min(rate / needed, taken / weights), needed <= memory.size_bytes))
    return speeds


@dataclass(frozen=True)
class Report:
    """All that is known of a bitstream.

    Parameters
    ----------
    board, part, memory, format, decoder, card
        What it was made for.
    clock_mhz
        What the PLL makes; every placement must reach it.
    baud
        Of the serial line.
    build
        What IDENTIFY and the link's welcome answer as the build.
    routings
        Placements.
    implied
        Derived speeds.
    tools
        Package → version.
    """

    board: str
    part: str
    memory: str
    format: str
    decoder: bool
    card: bool
    clock_mhz: float
    baud: int
    build: int
    routings: Sequence[Routing]
    implied: Sequence[Implied]
    tools: Mapping[str, str]

    @property
    def worst(self) -> Routing:
        """The slowest placement: it decides whether the design is good."""
        return min(self.routings, key=lambda each: each.megahertz)

    @property
    def best(self) -> Routing:
        """The fastest placement: it becomes the bitstream."""
        return max(self.routings, key=lambda each: each.megahertz)
