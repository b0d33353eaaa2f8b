"""A skid buffer keeps words and their order, takes one per cycle, and cuts every path."""

from random import Random

import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.memory.skid_buffer import SkidBuffer
from tests.hw.streams import PATTERNS

COUNT = 200


def passed(offers: str, takes: str) -> tuple[list[int], list[int], int]:
    """Words offered, words that came, and cycles from the first to the last of either."""
    dut, random, came, cycles = SkidBuffer(8), Random(3), [], 0
    words = [random.getrandbits(8) for _ in range(COUNT)]

    async def bench(context: SimulatorContext) -> None:
        nonlocal cycles
        taken, offered = 0, False
        while len(came) < COUNT:
            offered = taken < COUNT and (offered or PATTERNS[offers](random))
            before = context.get(dut.i.ready), context.get(dut.o.valid), context.get(dut.o.payload)
            context.set(dut.i.valid, offered)
            context.set(dut.i.payload, words[taken] if offered else random.getrandbits(8))
            context.set(dut.o.ready, PATTERNS[takes](random))
            assert before == (context.get(dut.i.ready), context.get(dut.o.valid), context.get(dut.o.payload))
            if context.get(dut.o.valid) and context.get(dut.o.ready):
                came.append(context.get(dut.o.payload))
            if offered and context.get(dut.i.ready):
                taken, offered = taken + 1, False
            cycles += 1
            assert cycles < 8 * COUNT
            await context.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return words, came, cycles


@pytest.mark.parametrize("offers", ["always", "half"])
@pytest.mark.parametrize("takes", ["always", "half"])
def test_words_come_whole_and_in_order_and_neither_side_sees_the_other_in_its_cycle(offers: str, takes: str) -> None:
    words, came, _ = passed(offers, takes)
    assert came == words


def test_a_word_passes_per_cycle_one_cycle_late() -> None:
    assert passed("always", "always")[2] == COUNT + 1
