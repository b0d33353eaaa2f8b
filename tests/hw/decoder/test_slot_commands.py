"""Slot commands: where a vector lies is looked up, and a command leaves only when it can."""

from random import Random

import pytest
from amaranth.sim import Simulator, SimulatorContext

from hw.decoder.slot_commands import SlotCommands
from hw.decoder.vector_command import Operation
from tests.hw.streams import PATTERNS

WORDS, SLOTS, PLACED = 64, 8, 4
PLACES = (0, 7, 20, 41)
COUNT = 60


def handed_on(offers: str, takes: str) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
    """Commands as they must leave, and as they left."""
    dut, random, came, expected = SlotCommands(WORDS, SLOTS, PLACED), Random(6), [], []
    asked = [
        {
            "operation": random.choice(list(Operation)),
            "source": random.randrange(SLOTS),
            "length": random.randrange(1, WORDS),
            "source_at": random.randrange(PLACED),
            "destination_at": random.randrange(PLACED),
        }
        for _ in range(COUNT)
    ]
    cycles = 0

    async def bench(context: SimulatorContext) -> None:
        nonlocal cycles
        for slot, place in list(enumerate(PLACES))[1:]:
            context.set(dut.write, 1)
            context.set(dut.slot, slot)
            context.set(dut.place, place)
            await context.tick()
        context.set(dut.write, 0)
        taken, offered, ready = 0, False, False
        while len(came) < COUNT:
            offered = taken < COUNT and (offered or PATTERNS[offers](random))
            within = random.randrange(20)
            context.set(dut.i.valid, offered)
            context.set(dut.i.payload, asked[taken] if offered else {"length": random.randrange(WORDS)})
            context.set(dut.within, within)
            ready = ready or PATTERNS[takes](random)
            context.set(dut.o.ready, ready)
            if offered and context.get(dut.i.ready):
                assert ready, "it is taken when it can leave"
                command = asked[taken]
                bases = {f"{end}_base": PLACES[command[f"{end}_at"]] + within for end in ("source", "destination")}
                expected.append({name: command[name] for name in ("operation", "source", "length")} | bases)
                taken, offered = taken + 1, False
            if context.get(dut.o.valid) and ready:
                payload = dut.o.payload
                came.append({name: context.get(getattr(payload, name)) for name in expected[len(came)]})
                ready = False
            cycles += 1
            assert cycles < 20 * COUNT
            await context.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return expected, came


@pytest.mark.parametrize("offers", ["always", "half"])
@pytest.mark.parametrize("takes", ["always", "half"])
def test_commands_leave_in_order_with_the_places_of_their_slots(offers: str, takes: str) -> None:
    expected, came = handed_on(offers, takes)
    assert came == expected
