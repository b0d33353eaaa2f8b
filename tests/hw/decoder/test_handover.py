"""A handover keeps words and their order, cuts every path, and takes a word only when it can leave."""

from random import Random

import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.decoder.handover import Handover
from tests.hw.streams import PATTERNS

COUNT = 60


def handed_over(offers: str, takes: str) -> tuple[list[int], list[int], list[int]]:
    """Words offered, words that came, and the cycles in which they were taken."""
    dut, random, came, cycles = Handover(8), Random(7), [], []
    words = [random.getrandbits(8) for _ in range(COUNT)]

    async def bench(context: SimulatorContext) -> None:
        offered, ready, cycle = False, False, 0
        while len(came) < COUNT:
            offered = len(cycles) < COUNT and (offered or PATTERNS[offers](random))
            ready = ready or PATTERNS[takes](random)
            before = context.get(dut.i.ready), context.get(dut.o.valid), context.get(dut.o.payload)
            context.set(dut.i.valid, offered)
            context.set(dut.i.payload, words[len(cycles)] if offered else random.getrandbits(8))
            context.set(dut.o.ready, ready)
            assert before == (context.get(dut.i.ready), context.get(dut.o.valid), context.get(dut.o.payload))
            if offered and context.get(dut.i.ready):
                assert ready, "it is taken when it can leave"
                assert len(cycles) == len(came), "none is taken while another waits"
                cycles.append(cycle)
                offered = False
            if context.get(dut.o.valid) and ready:
                came.append(context.get(dut.o.payload))
                ready = False
            cycle += 1
            assert cycle < 20 * COUNT
            await context.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return words, came, cycles


@pytest.mark.parametrize("offers", ["always", "half"])
@pytest.mark.parametrize("takes", ["always", "half"])
def test_words_come_whole_and_in_order_and_only_when_they_can_leave(offers: str, takes: str) -> None:
    words, came, _ = handed_over(offers, takes)
    assert came == words


def test_a_word_is_taken_three_cycles_after_the_word_before_it() -> None:
    cycles = handed_over("always", "always")[2]
    assert cycles == list(range(cycles[0], cycles[0] + 3 * COUNT, 3))
