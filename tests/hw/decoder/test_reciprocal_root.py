"""The reciprocal root against the golden model, and faults that the check finds."""

from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
import torch
from amaranth.sim import Simulator, SimulatorContext

from golden_models.integer_decoder.functions import reciprocal_root as golden_root
from golden_models.integer_decoder.vectors import shifted
from hw.decoder import reciprocal_root

LONGEST = 111
"""Cycles in which a root is found."""

MUTANTS = {
    "number aligned by a place": ("exponent.eq(exponent + 2)", "exponent.eq(exponent + 1)"),
    "half of the number forgotten": ("total.eq(total + total_half)", "total.eq(total)"),
    "half of epsilon forgotten": ("total + eps + eps_half)", "total + eps)"),
    "root of zero": ("Mux(neither, 1, ", "Mux(Const(0), 1, "),
    "normalised number not rounded": ("NORMAL_BITS + 2] + total_half)", "NORMAL_BITS + 2])"),
    "line not rounded": ("((half - product) >>", "((-product) >>"),
    "halvings not cleared": ("halvings.eq(0),", ""),
    "epsilon not moved up": ("eps.eq(eps << 2)", "eps.eq(eps)"),
    "zeros are aligned place by place": ("(total == 0) & ~total_half", "Const(0)"),
}
"""Text of the source, and what takes its place."""


def problems() -> list[tuple[int, int, int, int]]:
    """Number, exponent, ε and its exponent: of all lengths, near each other and far apart, zeros among them."""
    random = Random(51)
    found = [(0, 2 * -1041, 5, -60), (0, 0, 0, 0), ((1 << 51) - (1 << 48), 0, (1 << 24) - 1, 24)]
    for _ in range(150):
        number, eps = random.getrandbits(random.randint(0, 50)), random.getrandbits(random.choice((0, 8, 24, 24)))
        exponent = 2 * random.randrange(-40, 20)
        length = number.bit_length() + exponent
        near = 2 * ((length - random.randint(8, 30)) // 2)
        found.append((number, exponent, eps, random.choice((near, near, 2 * random.randrange(-60, 30)))))
    # of few bits, so that what is shifted out counts
    few = [(random.randint(1, 255), 0, eps, 26 + 2 * random.randint(0, 2)) for eps in (0, 1) for _ in range(20)]
    long = [(random.getrandbits(50) | 1 << 49, 30, random.getrandbits(24), random.choice((24, 26))) for _ in range(60)]
    return [*found, *few, *long, *((number, 0, 0, -60) for number in numbers_whose_last_bits_count())]


def numbers_whose_last_bits_count() -> list[int]:
    """Of 30 bits, of which the root reads 26 at most, rounded."""
    numbers = torch.randint(1 << 29, 1 << 30, (20_000,), generator=torch.Generator().manual_seed(52))
    zero = torch.tensor(0)
    different = golden_root(numbers, zero)[0] != golden_root(numbers & ~0xF, zero)[0]
    return [int(number) for number in numbers[different][:10]]


def golden(number: int, exponent: int, eps: int, eps_exponent: int) -> tuple[int, int]:
    """Factor and exponent of the golden model."""
    aligned = max(exponent, eps_exponent - 24)
    terms = ((number, exponent), (eps, eps_exponent))
    total = sum(int(shifted(torch.tensor(value), aligned - power, 51)) for value, power in terms)
    factor, power = golden_root(torch.tensor(max(total, 1)), torch.tensor(aligned))
    return int(factor), int(power)


def first_fault(module: Any) -> object:
    """The first problem that a module's component does not solve in time; None if there is none."""
    unit, faults = module.ReciprocalRoot(), []

    async def bench(context: SimulatorContext) -> None:
        for problem in problems():
            for signal, value in zip((unit.number, unit.exponent, unit.eps, unit.eps_exponent), problem, strict=True):
                context.set(signal, value)
            context.set(unit.start, 1)
            await context.tick()
            context.set(unit.start, 0)
            cycles = 0
            while not context.get(unit.done) and cycles < LONGEST:
                await context.tick()
                cycles += 1
            found = (context.get(unit.factor), context.get(unit.factor_exponent))
            if cycles == LONGEST or found != golden(*problem):
                faults.append(problem)
                return
            await context.tick()

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return faults[0] if faults else None


def test_roots_are_the_golden_models_and_found_in_time() -> None:
    assert first_fault(reciprocal_root) is None


@pytest.mark.parametrize("name", MUTANTS)
def test_the_check_finds(name: str) -> None:
    text, replacement = MUTANTS[name]
    source = Path(reciprocal_root.__file__).read_text()
    assert source.count(text) == 1, f"{text!r} does not occur once in hw/decoder/reciprocal_root.py; write it anew"
    mutant = ModuleType("mutant")
    exec(source.replace("import Module,", "import Const, Module,").replace(text, replacement), vars(mutant))
    assert first_fault(mutant) is not None
