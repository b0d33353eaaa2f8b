"""Dense words out of memory: every bit of the chip's time is a bit of a word."""

import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.memory.words import WordReader
from tests.hw.memory.simulation import MemorySimulation
from tests.hw.memory.subject import LARGEST, PORT_BYTES, WORD_BITS
from tests.hw.memory.traffic import check_words, words_at


def test_words_of_every_width_come_whole_and_in_order(simulation: MemorySimulation) -> None:
    check_words(simulation)


@pytest.mark.parametrize("width", WORD_BITS)
@pytest.mark.parametrize("share", [1, 0.7])
def test_words_leave_at_96_percent_of_the_chips_peak(simulation: MemorySimulation, width: int, share: float) -> None:
    words = 9_000
    answer = simulation.words(5, width, words, share)
    assert answer.payloads.tolist() == words_at(5, width, words)
    # of the chip's beat per cycle, or of the words that the consumer takes, where these are fewer bits
    peak = min(1, share * width / LARGEST.data_bits)
    assert words * width / LARGEST.data_bits / (answer.last - answer.first + 1) >= 0.96 * peak


@pytest.mark.parametrize("pause", [0, 1, 5])
def test_a_reading_begins_when_the_words_of_the_last_one_have_been_taken(pause: int) -> None:
    dut, readings, taken = WordReader(LARGEST, PORT_BYTES, [32]), (1, 2, 7, 3), 0

    async def bench(context: SimulatorContext) -> None:
        nonlocal taken
        context.set(dut.run.ready, 1)
        context.set(dut.i.valid, 1)
        context.set(dut.i_reading.valid, 1)
        cycle, begun = 0, 0
        while taken < sum(readings):
            if begun < len(readings):
                context.set(dut.i_reading.payload.words, readings[begun] - 1)
            context.set(dut.i_reading.valid, begun < len(readings))
            context.set(dut.o.ready, cycle % (pause + 1) == 0)
            if context.get(dut.i_reading.valid) and context.get(dut.i_reading.ready):
                assert taken == sum(readings[:begun])
                begun += 1
            taken += context.get(dut.o.valid) and context.get(dut.o.ready)
            cycle += 1
            assert cycle < 500
            await context.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert taken == sum(readings)
