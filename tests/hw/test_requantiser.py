"""The requantiser under Verilator, and faults that its check finds."""

from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from amaranth.hdl import Value
from amaranth.sim import Simulator, SimulatorContext

from formats.router.descriptor import KEY_BITS
from hw import requantiser
from hw.engine import row_results
from hw.requantiser import Requantiser
from hw.router.parameters import UnitParameters
from tests.hw.conversions import ENGINE, Conversion, conversions
from tests.hw.simulate import run_bench

LANES = 4
ROUTER = UnitParameters(lanes=LANES, keys=64, slots=1, sets=1, ways=1)

MUTANTS = {
    "subnormal taken for normal": ("normal = field.any()", "normal = Const(1)"),
    "subnormal a place too low": ("Mux(normal, field, 1)", "field"),
    "scale without its leading one": ("Cat(scale[:FRACTION_BITS], normal)", "scale[:FRACTION_BITS]"),
    "no rounding": ("(shifted + 1) >> 1", "shifted >> 1"),
    "rounding of the magnitude": ("(shifted + 1) >> 1", "(shifted + (shifted > 0)) >> 1"),
    "no clipping above": ("rounded > high", "Const(0)"),
    "no clipping below": ("rounded < low", "Const(0)"),
    "clipped symmetrically": ("-(1 << (KEY_BITS - 1))", "1 - (1 << (KEY_BITS - 1))"),
    "long shifts wrap": ("distance > product_bits", "Const(0)"),
    "long shifts a place short": ("product_bits, distance)", "product_bits - 1, distance)"),
    "product a bit too narrow": ("bits + MANTISSA_BITS\n", "bits + MANTISSA_BITS - 1\n"),
    "result without sign": ("payload.sum * mantissa", "payload.sum.as_unsigned() * mantissa"),
    "shift of the next result": ("(product << 1) >> shift", "(product << 1) >> distance"),
    "routing not kept": ("routing.eq(self.routing)", "routing.eq(routing)"),
    "scales run ahead of results": ("i_scales.ready.eq(results.o.valid & advance)", "i_scales.ready.eq(advance)"),
    "keys overwritten": ("advance.eq(~self.o.valid | self.o.ready)", "advance.eq(1)"),
    "packet without end": ("self.o.payload.last.eq(last)", "self.o.payload.last.eq(0)"),
    "beats overfilled": ("place == self._lanes - 1", "place == self._lanes"),
    "place not cleared": ("Mux(full, 0, place + 1)", "place + 1"),
}
"""Text of the source, and what takes its place."""

ROW_MUTANTS = {
    "lanes of another format": ("[format_]", "[0]"),
    "format not kept": ("format_.eq(self.format)", "format_.eq(0)"),
    "padding taken for rows": ("group_done | (last & last_vector) | (place", "(last & last_vector) | (place"),
    "a row less": ("last.eq(rows_left == 1)", "last.eq(rows_left == 2)"),
    "lane not cleared": ("                lane.eq(0),\n", ""),
    "padding never leaves": ("~self.busy | (taken & beat_done)", "taken & beat_done"),
}
"""The same of what takes the results apart."""


@pytest.mark.parametrize("lanes", [4, 8])
def test_keys_are_exact_whatever_stalls(lanes: int, tmp_path: Path) -> None:
    router = UnitParameters(lanes=lanes, keys=64, slots=1, sets=1, ways=1)
    run_bench(Requantiser(ENGINE, router), "requantiser", tmp_path, subject=str(lanes))


def are_right(module: Any, problems: list[Conversion], pause: int) -> bool:
    """Whether a module's requantiser makes each problem's packet and leaves nothing over; the first fault ends it."""
    dut, random = module.Requantiser(ENGINE, ROUTER), Random(34)
    wrong: list[Conversion] = []

    async def bench(context: SimulatorContext) -> None:
        for problem in problems:
            results, scales, beats = problem.beats(random), list(problem.scales), []
            context.set(Value.cast(dut.routing), problem.routing)
            context.set(dut.start, 1)
            await context.tick()
            context.set(dut.start, 0)
            context.set(Value.cast(dut.routing), random.getrandbits(8))
            for cycle in range(3 * (pause + 1) * (len(results) + len(scales)) + 20):
                for stream, payloads in ((dut.i_results, results), (dut.i_scales, scales)):
                    late = stream is dut.i_results and cycle < pause  # scales wait for results
                    context.set(stream.valid, bool(payloads) and not late)
                    context.set(Value.cast(stream.payload), payloads[0] if payloads else random.getrandbits(16))
                ready = cycle % (pause + 1) == pause
                context.set(dut.o.ready, ready)
                if ready and context.get(dut.o.valid):
                    beats.append(int(context.get(Value.cast(dut.o.payload))))
                for stream, payloads in ((dut.i_results, results), (dut.i_scales, scales)):
                    if context.get(stream.valid) and context.get(stream.ready):
                        payloads.pop(0)
                await context.tick()
            if results or scales or not is_packet(beats, problem.keys):
                wrong.append(problem)
                return

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return not wrong


def is_packet(beats: list[int], keys: list[int]) -> bool:
    """Whether beats hold these keys, and their last one says so."""
    ends = [beat >> KEY_BITS * LANES for beat in beats]
    got = [beat >> KEY_BITS * lane & ((1 << KEY_BITS) - 1) for beat in beats for lane in range(LANES)]
    return ends == [0] * (-(-len(keys) // LANES) - 1) + [1] and got[: len(keys)] == keys


def is_exact(module: Any) -> bool:
    """Whether every problem's packet is right, read out at once and slowly."""
    problems = conversions(Random(35), 30)
    return all(are_right(module, problems, pause) for pause in (0, 6))


def test_the_check_passes_on_the_requantiser_as_it_is() -> None:
    assert is_exact(requantiser)


def mutant_of(path: str, text: str, replacement: str) -> Any:
    """A module with another text."""
    source = Path(path).read_text()
    assert source.count(text) == 1, f"{text!r} does not occur once in {path}; write this mutant anew"
    mutant = ModuleType("mutant")
    exec(source.replace("amaranth.hdl import", "amaranth.hdl import Const,").replace(text, replacement), vars(mutant))
    return mutant


@pytest.mark.parametrize("name", MUTANTS)
def test_the_check_finds(name: str) -> None:
    assert not is_exact(mutant_of(requantiser.__file__, *MUTANTS[name]))


@pytest.mark.parametrize("name", ROW_MUTANTS)
def test_the_check_finds_in_the_rows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requantiser, "RowResults", mutant_of(row_results.__file__, *ROW_MUTANTS[name]).RowResults)
    assert not is_exact(requantiser)
