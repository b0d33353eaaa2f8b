"""The largest key and its place: where several are equal, all are negative, or some are clipped."""

from random import Random

from amaranth.sim import Simulator, SimulatorContext

from hw.decoder.largest_key import LargestKey


def test_of_equal_keys_the_first_is_chosen() -> None:
    unit, random, most = LargestKey(16), Random(8), (1 << 23) - 1

    async def bench(context: SimulatorContext) -> None:
        for least, largest in ((-3, 3), (-9, -7), (-most, most), (-1, -1), (-(1 << 31), -most), (most, 1 << 30)):
            for count in (1, 2, 16):
                logits = [random.randint(least, largest) for _ in range(count)]
                keys = [max(-most, min(logit, most)) for logit in logits]
                context.set(unit.start, 1)
                await context.tick()
                context.set(unit.start, 0)
                for logit in logits:
                    context.set(unit.i.valid, 0)
                    context.set(unit.i.payload, most)
                    await context.tick()
                    context.set(unit.i.valid, 1)
                    context.set(unit.i.payload, logit)
                    await context.tick()
                context.set(unit.i.valid, 0)
                found = tuple(map(context.get, (unit.count, unit.index, unit.key)))
                assert found == (count, keys.index(max(keys)), max(keys))

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
