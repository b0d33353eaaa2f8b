"""A block RAM that is read while nothing is written, and is nothing but a block RAM."""

from pathlib import Path

from amaranth.sim import Simulator, SimulatorContext

from synth.flow import Flow
from tests.synth.netlists.subjects import ApartBuffer

PLACE, OTHER = 5, 6


def test_a_word_comes_a_cycle_later_and_stays_while_a_word_is_written_or_none_is_wanted() -> None:
    dut = ApartBuffer(width=36, depth=512)

    async def cycle(context: SimulatorContext, **inputs: int) -> int:
        for name in ("to", "data", "enable", "at", "read"):
            context.set(getattr(dut, name), inputs.get(name, 0))
        await context.tick()
        return context.get(dut.o)

    async def bench(context: SimulatorContext) -> None:
        for place, word in ((PLACE, 111), (OTHER, 222)):
            await cycle(context, to=place, data=word, enable=1)
        assert await cycle(context, at=PLACE, read=1) == 111
        assert await cycle(context, at=OTHER, read=1, to=OTHER, data=333, enable=1) == 111
        assert await cycle(context, at=OTHER, read=0) == 111
        assert await cycle(context, at=OTHER, read=1) == 333

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_there_is_no_logic_around_the_block_ram_but_for_the_choice_of_reading_or_writing(tmp_path: Path) -> None:
    area = Flow(tmp_path).ecp5(ApartBuffer(width=36, depth=512))
    assert (area.memories, area.registers, area.carry) == (1, 0, 0)
    assert area.lut4 <= 2
