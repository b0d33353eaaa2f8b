"""Results of several vectors, one row after the other: as the engine hands them over, without their padding."""

from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from amaranth.hdl import Value
from amaranth.sim import Simulator, SimulatorContext

from formats.engine import RESULT_BITS, EngineParameters
from hw.engine import row_results

ENGINES = [
    EngineParameters(("trellis-2bit", "trellis-4bit"), port_bytes=4, batch=3, maximum_columns=64, maximum_rows=64),
    EngineParameters(("scaled-2bit", "scaled-4bit"), port_bytes=16, batch=2, maximum_columns=64, maximum_rows=64),
]
"""Two lanes and one on beats of a result; five lanes and four on beats of two."""

MUTANTS = {
    "padding taken for rows": ("pads.eq(ends)", "pads.eq(0)"),
    "rows of the first vector alone": ("rows_left.eq(group_rows_left)", "rows_left.eq(rows_left - 1)"),
    "as many vectors as there are": ("vectors.eq(self.vectors)", "vectors.eq(2)"),
    "the last row of every vector": ("self.o.payload.last.eq(last & last_vector)", "self.o.payload.last.eq(last)"),
    "beats end with a vector's last row": ("(last & last_vector) | (place", "last | (place"),
    "the next group's rows not counted": ("group_rows_left.eq(rows_left - 1)", "group_rows_left.eq(rows_left)"),
}
"""Text of the source, and what takes its place."""

Row = tuple[int, int, int, bool]
"""Sum, vector, lane, and whether it is the last."""


def handed_over(engine: EngineParameters, position: int, rows: int, vectors: int, random: Random) -> tuple[Any, Any]:
    """Beats of the engine, and the rows that leave."""
    weight_format = engine.weight_formats[position]
    lanes, per_beat = engine.lanes_for(weight_format), engine.results_per_beat
    beats: list[int] = []
    found: list[Row] = []
    for first in range(0, rows, lanes):
        for vector in range(vectors):
            sums = [random.getrandbits(20) for _ in range(engine.result_beats(weight_format) * per_beat)]
            beats += [
                sum(each << RESULT_BITS * place for place, each in enumerate(sums[at : at + per_beat]))
                for at in range(0, len(sums), per_beat)
            ]
            for lane in range(min(lanes, rows - first)):
                last = first + lane == rows - 1 and vector == vectors - 1
                found.append((sums[lane], vector, lane, last))
    return beats, found


def taken_apart(module: Any, engine: EngineParameters, pause: int) -> bool:
    """Whether all rows of products of every size leave, and nothing else."""
    dut, random, right = module.RowResults(engine), Random(7), []

    async def bench(context: SimulatorContext) -> None:
        for position in range(len(engine.formats)):
            for rows in (1, 2, 3, 7, 12):
                for vectors in range(1, engine.batch + 1):
                    beats, expected = handed_over(engine, position, rows, vectors, random)
                    right.append(await rows_of(context, position, rows, vectors, beats) == expected)
                    if not right[-1]:
                        return

    async def rows_of(context: SimulatorContext, position: int, rows: int, vectors: int, beats: list[int]) -> list[Row]:
        for name, value in {"format": position, "rows": rows, "vectors": vectors - 1, "start": 1}.items():
            context.set(getattr(dut, name), value)
        await context.tick()
        for name in ("format", "rows", "vectors", "start"):
            context.set(getattr(dut, name), 0)
        found: list[Row] = []
        for cycle in range((pause + 1) * 4 * len(beats) + 20):
            context.set(dut.i.valid, bool(beats) and random.random() < 0.8)
            context.set(Value.cast(dut.i.payload), beats[0] if beats else 0)
            context.set(dut.o.ready, cycle % (pause + 1) == pause)
            row = dut.o.payload
            if context.get(dut.o.valid) and context.get(dut.o.ready):
                found.append(tuple(context.get(each) for each in (row.sum, row.vector, row.lane, row.last)))  # type: ignore[arg-type]
            if context.get(dut.i.valid) and context.get(dut.i.ready):
                beats.pop(0)
            await context.tick()
        return found if not beats and not context.get(dut.busy) else []

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return all(right)


def is_exact(module: Any) -> bool:
    return all(taken_apart(module, engine, pause) for engine in ENGINES for pause in (0, 2))


def test_rows_of_every_vector_leave_without_padding() -> None:
    assert is_exact(row_results)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_check_finds(name: str) -> None:
    text, replacement = MUTANTS[name]
    source = Path(row_results.__file__).read_text()
    assert source.count(text) == 1, f"{text!r} does not occur once; write this mutant anew"
    mutant = ModuleType("mutant")
    exec(source.replace(text, replacement), vars(mutant))
    assert not is_exact(mutant)
