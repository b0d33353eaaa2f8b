"""The vector unit under Verilator, and faults that its check finds."""

from pathlib import Path
from random import Random
from types import ModuleType
from unittest import mock

import pytest
from amaranth.hdl import Value
from amaranth.sim import Simulator, SimulatorContext

from hw.decoder import rounding_shift, vector_pass, vector_unit
from hw.decoder.vector_unit import VectorUnit
from tests.hw.decoder.vector_commands import LENGTHS, SLOTS, WORD_MASK, WORDS, VectorCommand, VectorCommands
from tests.hw.simulate import run_bench

LONGEST = 400
"""Cycles in which the longest command of a check ends."""

MUTANTS = {
    "no rounding of a shift": (rounding_shift, "(shifted + 1) >> 1", "shifted >> 1"),
    "no clipping above": (rounding_shift, "rounded > limit", "Const(0)"),
    "no clipping below": (rounding_shift, "rounded < -limit", "Const(0)"),
    "left shifts go right": (rounding_shift, "self.places < 0", "Const(0)"),
    "stages run on": (vector_pass, "~(self.o.valid & ~self.o.ready)", "Const(1)"),
    "weights are not waited for": (vector_pass, "~(normalises & under_way[4] & ~self.i.valid)", "Const(1)"),
    "sum of one vector": (vector_pass, "first + shift.o", "shift.o + shift.o"),
    "sum shifted by one amount": (vector_pass, "second[0], settings.own_places", "Const(0), settings.own_places"),
    "squares not cleared": (
        vector_pass,
        "settings.eq(self.settings), self.squares.eq(0)",
        "settings.eq(self.settings)",
    ),
    "bits not cleared": (vector_pass, "place.eq(0), self.seen.eq(0)", "place.eq(0)"),
    "bits of negative words": (vector_pass, "abs(result)", "result"),
    "weight without sign": (
        vector_pass,
        "self.i.payload[: WEIGHT_BITS + 1].as_signed()",
        "self.i.payload[: WEIGHT_BITS]",
    ),
    "exponent of zeros": (vector_unit, "Mux(passes.seen == 0, ZERO_EXPONENT, made_exponent)", "made_exponent"),
    "exponent of zeros that leave": (
        vector_unit,
        "Mux(bits == 0, ZERO_EXPONENT, exponent + places)",
        "exponent + places",
    ),
    "sum at the source's exponent": (
        vector_unit,
        "_larger(exponent + bits, own_exponent + own_bits)",
        "(exponent + bits)",
    ),
    "long shifts wrap": (vector_unit, "Mux(places > MOST_PLACES, MOST_PLACES, ", "Mux(Const(0), MOST_PLACES, "),
    "a bit too few noted": (vector_unit, "Mux(value[place], place + 1, length)", "Mux(value[place], place, length)"),
}
"""A module, text of its source, and what takes its place."""


def test_vectors_are_exact_whatever_stalls(tmp_path: Path) -> None:
    run_bench(VectorUnit(WORDS, SLOTS), "vector_unit", tmp_path)


def is_exact(unit: VectorUnit, sequences: list[list[VectorCommand]]) -> bool:
    """Whether a unit ends every command in time and hands over what it must, its partners slow at times."""
    random, wrong = Random(44), []

    async def bench(context: SimulatorContext) -> None:
        for command in (command for sequence in sequences for command in sequence):
            if not await _runs(context, unit, command, random):
                wrong.append(command)
                return

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return not wrong


async def _runs(context: SimulatorContext, unit: VectorUnit, command: VectorCommand, random: Random) -> bool:
    context.set(Value.cast(unit.command.payload), command.bits)
    context.set(unit.command.valid, 1)
    await context.tick()
    context.set(unit.command.valid, 0)
    words, left = list(command.words), []
    for _ in range(LONGEST):
        offered, taken = bool(words) and random.random() < 0.7, random.random() < 0.7
        context.set(unit.i.valid, offered)
        context.set(Value.cast(unit.i.payload), words[0] if offered else random.getrandbits(32))
        context.set(unit.o.ready, taken)
        if context.get(unit.command.ready):
            break
        if offered and context.get(unit.i.ready):
            words.pop(0)
        if taken and context.get(unit.o.valid):
            left.append((context.get(unit.o.payload) & WORD_MASK, context.get(unit.o_exponent)))
        await context.tick()
    context.set(unit.i.valid, 0)
    return bool(context.get(unit.command.ready)) and not words and left == command.expected


@pytest.fixture(scope="module")
def sequences() -> list[list[VectorCommand]]:
    random = Random(45)
    return [VectorCommands(random, length).sequence(40) for length in LENGTHS[1:3]]


def test_the_check_passes_on_the_unit_as_it_is(sequences: list[list[VectorCommand]]) -> None:
    assert is_exact(VectorUnit(WORDS, SLOTS), sequences)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_check_finds(name: str, sequences: list[list[VectorCommand]]) -> None:
    module, text, replacement = MUTANTS[name]
    source = Path(str(module.__file__)).read_text()
    assert source.count(text) == 1, f"{text!r} does not occur once in {module.__name__}; write this mutant anew"
    source = source.replace("import Array,", "import Array, Const,").replace("import Cat,", "import Cat, Const,")
    mutant = ModuleType(module.__name__)
    exec(source.replace("import Module,", "import Const, Module,").replace(text, replacement), vars(mutant))
    with _in_place_of(module, mutant):
        assert not is_exact(vars(mutant).get("VectorUnit", VectorUnit)(WORDS, SLOTS), sequences)


def _in_place_of(module: ModuleType, mutant: ModuleType) -> mock._patch_dict:
    """The mutant's component wherever the unit's modules name that of its module."""
    component = {
        rounding_shift: (vector_pass, "RoundingShift"),
        vector_pass: (vector_unit, "VectorPass"),
        vector_unit: (vector_unit, "VectorUnit"),
    }[module]
    owner, name = component
    return mock.patch.dict(vars(owner), {name: vars(mutant)[name]})
