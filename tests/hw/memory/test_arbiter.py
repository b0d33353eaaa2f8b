"""One of two requests is passed on, and stays until it is taken."""

from random import Random

from amaranth.sim import Simulator, SimulatorContext

from hw.memory.arbiter import Arbiter
from hw.memory.chips import W9825G6KH_6


def test_every_request_passes_once_in_its_order_and_none_changes_while_it_waits() -> None:
    arbiter, random = Arbiter(W9825G6KH_6), Random(3)
    sent: dict[str, list[int]] = {"i_reads": [], "i_writes": []}
    taken: list[int] = []

    async def bench(context: SimulatorContext) -> None:
        pending: int | None = None
        for step in range(2_000):
            for write, name in enumerate(("i_reads", "i_writes")):
                source = getattr(arbiter, name)
                if not context.get(source.valid) and random.random() < 0.5:
                    context.set(source.valid, 1)
                    context.set(source.payload, {"address": step, "write": write, "data": step & 0xFFFF})
                    sent[name].append(step)
            context.set(arbiter.request.ready, random.random() < 0.5)
            offered = None
            if context.get(arbiter.request.valid):
                offered = 2 * context.get(arbiter.request.payload.address) + context.get(arbiter.request.payload.write)
            assert pending in (None, offered), "an offer changed before it was taken"
            ready = [name for name in sent if context.get(getattr(arbiter, name).ready)]
            pending = offered
            if offered is not None and context.get(arbiter.request.ready):
                assert ready == ["i_writes" if offered & 1 else "i_reads"]
                taken.append(offered)
                pending = None
            await context.tick()
            if offered is not None and pending is None:
                context.set(getattr(arbiter, ready[0]).valid, 0)

    simulator = Simulator(arbiter)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    for write, name in enumerate(("i_reads", "i_writes")):
        passed = [each >> 1 for each in taken if each & 1 == write]
        assert passed == sent[name][: len(passed)]
        assert len(passed) >= len(sent[name]) - 1 > 200


def test_a_write_goes_first_from_the_next_cycle_on() -> None:
    arbiter = Arbiter(W9825G6KH_6)

    async def bench(context: SimulatorContext) -> None:
        for source in (arbiter.i_reads, arbiter.i_writes):
            context.set(source.valid, 1)
        context.set(arbiter.request.ready, 1)
        await context.tick()
        assert (context.get(arbiter.i_writes.ready), context.get(arbiter.i_reads.ready)) == (1, 0)

    simulator = Simulator(arbiter)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
