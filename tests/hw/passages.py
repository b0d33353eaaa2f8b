"""Words through a component of one stream in and one out, in Amaranth's simulator."""

from dataclasses import dataclass, field
from random import Random

from amaranth.lib import wiring
from amaranth.sim import Simulator, SimulatorContext

from tests.hw.streams import PATTERNS


@dataclass
class Passage:
    """What happened.

    Parameters
    ----------
    words, came
        That were offered, and that came, in order.
    taken_at
        Cycle in which each word was taken.
    ready_then, came_before
        Whether whoever gets words was ready in that cycle, and how many words had come.
    cycles
        Up to the last word's.
    """

    words: list[int]
    came: list[int] = field(default_factory=list)
    taken_at: list[int] = field(default_factory=list)
    ready_then: list[bool] = field(default_factory=list)
    came_before: list[int] = field(default_factory=list)
    cycles: int = 0


def passed(dut: wiring.Component, offers: str, takes: str, count: int, most_cycles: int, patient: bool) -> Passage:
    """Words of 8 bits through ``i`` and ``o``; neither side's outputs may follow from the other's in the same cycle.

    Parameters
    ----------
    dut
        The component.
    offers, takes
        Names of ``PATTERNS``: when a word is offered, which then stays, and when one may leave.
    count, most_cycles
        Words, and cycles for all of them.
    patient
        Whoever gets words stays ready until it takes one.

    Raises
    ------
    AssertionError
        If a path leads through, or words do not come.
    """
    random = Random(3)
    found = Passage([random.getrandbits(8) for _ in range(count)])

    async def bench(context: SimulatorContext) -> None:
        offered, ready = False, False
        while len(found.came) < count:
            place = len(found.taken_at)
            offered = place < count and (offered or PATTERNS[offers](random))
            ready = (patient and ready) or PATTERNS[takes](random)
            before = context.get(dut.i.ready), context.get(dut.o.valid), context.get(dut.o.payload)
            context.set(dut.i.valid, offered)
            context.set(dut.i.payload, found.words[place] if offered else random.getrandbits(8))
            context.set(dut.o.ready, ready)
            assert before == (context.get(dut.i.ready), context.get(dut.o.valid), context.get(dut.o.payload))
            if offered and context.get(dut.i.ready):
                found.taken_at.append(found.cycles)
                found.ready_then.append(ready)
                found.came_before.append(len(found.came))
                offered = False
            if context.get(dut.o.valid) and ready:
                found.came.append(context.get(dut.o.payload))
                ready = False
            found.cycles += 1
            assert found.cycles < most_cycles
            await context.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found
