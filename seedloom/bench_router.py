"""``seedloom bench router``: busy cycles of every primitive beside their limits, and the router's area."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from formats.arguments import check_integers
from seedloom.compared import exit_unless
from seedloom.options import Json
from sw_runtime.charts import Axis, Point, chart, check_chart, write_chart
from sw_runtime.json_files import figures_text

if TYPE_CHECKING:
    from random import Random

    from sw_runtime.device.protocol import Request

SIZES = (64, 576, 4096)
LANES = (4, 8, 16)
ROW = 16
"""Entries a row of FIRST, elements per segment of SEGLL."""
CELLS = ("LUT4", "CCU2C", "FF", "MULT18X18D", "DP16KD")
"""Cells of an ECP5, in the order of ``synth.reports.Ecp5Area``."""
SKETCH = {
    8: {"LUT4": 1995, "CCU2C": 344, "FF": 898, "DP16KD": 6},
    16: {"LUT4": 3093, "CCU2C": 614, "FF": 1463, "DP16KD": 11},
}
"""Estimates, by lanes: the select and its key memory alone, sketched before the router was designed.

Digits of 4 bits, 4,096 keys, yosys, not placed. The sketch had no router of 4 lanes.
"""


@dataclass(frozen=True)
class Measurement:
    """What one command took.

    ``cycles`` are the busy cycles in the trailer of the simulated router, ``limit`` the most it may
    take. ``n`` is the command's own where it takes fewer elements than asked for. ``exact``: the
    simulated and the emulated router answered alike.
    """

    cycles: int
    limit: int
    n: int
    exact: bool


def commands(n: int, random: "Random") -> "Iterator[tuple[str, Request]]":
    """Every primitive at size n, a multiple of 16, by name; each asks for its payload."""
    from formats.router.descriptor import Bound, Flag, KeyFormat, Opcode, Quota
    from sw_runtime.routing.commands import request

    def keys(count: int = n) -> list[int]:
        return [random.getrandbits(24) for _ in range(count)]

    words, bound = n // 16, {"n": n, "x": 1 << 23}
    masks = [random.getrandbits(16) for _ in range(words)]
    drafts, experts = min(n, 255), min(n, 16)
    segments = [element for _ in range(words) for element in (ROW - 1, *keys(ROW - 1))]
    yield "load", request(Opcode.LOAD, keys(), KeyFormat.U24, n=n)
    yield "accumulate", request(Opcode.LOAD, keys(), KeyFormat.U24 | Flag.LOAD_ACCUMULATE, n=n)
    yield "readkeys", request(Opcode.READKEYS, n=n)
    yield "putbm", request(Opcode.PUTBM, masks, n=n, dst=0)
    yield "topk", request(Opcode.TOPK, flags=Quota.KEEP, n=n, x=n // 2)
    yield "topk_masks", request(Opcode.TOPK, flags=Quota.KEEP | Flag.TOPK_LAST, n=n, x=n // 2, sa=0, sb=1)
    yield "topk_16_bits", request(Opcode.TOPK, flags=Quota.KEEP | 16 << 4, n=n, x=n // 2)
    yield "filter", request(Opcode.FILTER, keys(), KeyFormat.U24 | Bound.FIELD << 3, **bound)
    yield "filter_table", request(Opcode.FILTER, keys(), KeyFormat.U24 | Bound.TABLE << 3, n=n)
    yield "first", request(Opcode.FIRST, keys(), KeyFormat.U24 | Bound.FIELD << 3, z=ROW, **bound)
    yield "range", request(Opcode.RANGE, n=n, x=n // 4, y=n // 2)
    yield "gather", request(Opcode.GATHER, n=n, z=0x0808, sa=0, sb=1, sc=2)
    yield "gather_list", request(Opcode.GATHER, flags=Flag.GATHER_LIST, n=n, z=0x8888, sa=0, sb=0)
    yield "prefix", request(Opcode.PREFIX, keys(2 * drafts + 1), n=2 * drafts + 1)
    yield "prefix_stochastic", request(Opcode.PREFIX, keys(3 * drafts), Flag.PREFIX_STOCHASTIC, n=3 * drafts)
    yield "ratio", request(Opcode.RATIO, keys(), n=n, x=51)
    yield "segll", request(Opcode.SEGLL, segments, Flag.SEGLL_PAIR, n=n, x=words, z=1 << 12)
    yield "lru", request(Opcode.LRU, range(experts), n=experts)
    yield "info", request(Opcode.INFO)


def check_cases(sizes: Sequence[int], lanes: Sequence[int]) -> None:
    """Refuse sizes and numbers of lanes that cannot be measured, before any of them is.

    Raises
    ------
    InputError
        If a size is no multiple of 16 up to 4096, or a number of lanes not 4, 8 or 16.
    """
    for n in sizes:
        check_integers(n=(n, range(16, 4097, 16)))
    for lane_count in lanes:
        check_integers(lanes=(lane_count, LANES))


def measure_router(sizes: Sequence[int] = SIZES, lanes: Sequence[int] = LANES) -> dict[str, dict[str, Measurement]]:
    """Simulate every primitive: measurements by primitive, then by ``"n=4096,lanes=16"``.

    A router's simulator is built at its first use.

    Raises
    ------
    InputError
        If a size is no multiple of 16 up to 4096, or a number of lanes not 4, 8 or 16.
    """
    check_cases(sizes, lanes)
    from random import Random

    from formats.router.descriptor import RouterParameters
    from sw_runtime.device.cycle_limits import cycle_limit
    from sw_runtime.device.routing import EmulatedRouter
    from sw_runtime.device.simulated import simulated_router
    from sw_runtime.progress import progress_bar

    measured: dict[str, dict[str, Measurement]] = {}
    for lane_count in progress_bar(lanes, desc="routers", unit="router"):
        parameters = RouterParameters(lanes=lane_count)
        simulated, emulated = simulated_router(parameters), EmulatedRouter(parameters)
        for n in sizes:
            for name, request in commands(n, Random(n)):
                answer, cycles = simulated.execute(request)
                exact = answer == emulated.execute(request)[0]
                limit = cycle_limit(request.command, parameters)
                case = measured.setdefault(name, {})
                case[f"n={n},lanes={lane_count}"] = Measurement(cycles, limit, request.command.n, exact)
        simulated.close()
    return measured


def measure_area(lanes: Sequence[int] = LANES) -> dict[int, dict[str, int]]:
    """Synthesise whole routers for ECP5, not placed: cells by lanes, then by kind.

    The design is that of ``python -m synth``. Each router takes a minute or so, once.

    Raises
    ------
    InputError
        If a number of lanes is not 4, 8 or 16.
    DependencyError
        If yosys is not installed, naming the extra that brings it, or fails.
    """
    from sw_runtime.cache import cache_folder
    from sw_runtime.progress import progress_bar
    from synth.designs import ECP5_MULTIPLIER_BITS, router
    from synth.flow import Flow

    builders = {lane_count: router(lane_count) for lane_count in lanes}
    flow = Flow(cache_folder("synth"))
    return {
        lane_count: dict(zip(CELLS, astuple(flow.ecp5(build(ECP5_MULTIPLIER_BITS))), strict=True))
        for lane_count, build in progress_bar(builders.items(), desc="synthesis", unit="router")
    }


def area_json(area: dict[int, dict[str, int]]) -> dict[str, dict[str, object]]:
    """Cells and the sketch's estimate, where it has one, by ``"lanes=16"``."""
    return {f"lanes={lanes}": {**cells, "estimate_of_the_select": SKETCH.get(lanes)} for lanes, cells in area.items()}


def area_table(area: dict[int, dict[str, int]]) -> str:
    """Markdown: cells of the whole router by lanes, and the sketch's estimate of the select beside them."""
    estimated = list(SKETCH[16])
    lines = [
        f"| ECP5, synthesised | {' | '.join(CELLS)} | estimate of the select: {', '.join(estimated)} |",
        "|---" + "|---:" * len(CELLS) + "|---|",
    ]
    for lanes, cells in area.items():
        sketch = ", ".join(f"{SKETCH[lanes][kind]:,}" for kind in estimated) if lanes in SKETCH else "none"
        lines.append(f"| P = {lanes} | {' | '.join(f'{cells[kind]:,}' for kind in CELLS)} | {sketch} |")
    return "\n".join(lines)


def table(measured: dict[str, dict[str, Measurement]]) -> str:
    """Markdown: cycles and limit of every primitive at every size."""
    cases = list(next(iter(measured.values())))
    lines = [f"| cycles (limit) | {' | '.join(cases)} |", "|---" + "|---:" * len(cases) + "|"]
    for name, row in measured.items():
        cells = " | ".join(f"{case.cycles:,} ({case.limit:,})" for case in row.values())
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def cycle_chart(measured: dict[str, dict[str, Measurement]]) -> str:
    """An SVG: cycles over the elements of a command, a line a primitive and number of lanes."""
    series: dict[str, list[Point]] = {}
    for name, row in measured.items():
        for case, one in row.items():
            label = f"{name}, {case.split(',')[1]}"
            series.setdefault(label, []).append(Point(one.n or 1, one.cycles, f"{name}, {case}: {one.cycles} cycles"))
    lines = {label: sorted(points, key=lambda point: point.x) for label, points in series.items()}
    return chart(lines, Axis("elements", logarithmic=True), Axis("busy cycles", logarithmic=True), joined=True)


def router(
    n: Annotated[
        list[int] | None, typer.Option(help="Number of tokens; repeatable. Default: 64, 576 and 4096.")
    ] = None,
    lanes: Annotated[
        list[int] | None, typer.Option(help="Keys per cycle: 4, 8 or 16; repeatable. Default: all three.")
    ] = None,
    area: Annotated[
        bool, typer.Option(help="Also synthesise each router for ECP5; takes minutes the first time.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Also draw the cycles over n: an .svg file.")] = None,
    as_json: Json = False,
) -> None:
    """Measure the cycles of every token-router command against their limits."""
    check_cases(n or SIZES, lanes or LANES)
    check_chart(plot)
    cells = measure_area(lanes or LANES) if area else None
    measured = measure_router(n or SIZES, lanes or LANES)
    exact = all(one.exact for row in measured.values() for one in row.values())
    if plot:
        write_chart(plot, cycle_chart(measured))
    if as_json:
        plain: dict[str, object] = {
            name: {case: asdict(one) for case, one in row.items()} for name, row in measured.items()
        }
        if cells:
            plain["area"] = area_json(cells)
        typer.echo(figures_text(plain))
        exit_unless(exact)
        return
    typer.echo(table(measured))
    typer.echo(f"\nanswers equal the golden unit's: {'yes' if exact else 'NO'}")
    if cells:
        typer.echo(f"\n{area_table(cells)}")
    exit_unless(exact)
