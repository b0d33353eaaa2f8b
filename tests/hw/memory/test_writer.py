"""Words are written in runs, each begun when all of it is there."""

from amaranth.sim import Simulator, SimulatorContext

from hw.memory.chips import W9825G6KH_6
from hw.memory.writer import WordWriter

BURST = 4


def written(words: int, share: int = 1) -> list[tuple[int, int]]:
    """Address and beats of each run that ``words`` words make from address 100 on, which arrive in order."""
    writer = WordWriter(W9825G6KH_6, port_bytes=4, burst=BURST)
    runs: list[tuple[int, int]] = []
    received: list[int] = []

    async def source(context: SimulatorContext) -> None:
        context.set(writer.start, 1)
        context.set(writer.address, 100)
        await context.tick()
        context.set(writer.start, 0)
        context.set(writer.address, 7)  # is no longer looked at
        for word in range(words):
            context.set(writer.i.valid, 1)
            context.set(writer.i.payload, 1_000 + word)
            await context.tick().until(writer.i.ready)
        context.set(writer.i.valid, 0)
        context.set(writer.flush, 1)
        await context.tick().until(writer.empty)
        assert received == [1_000 + word for word in range(words)]

    async def take(context: SimulatorContext) -> None:
        left, cycle, end = 0, 0, -1
        while True:
            cycle += 1
            takes = cycle % share == 0
            context.set(writer.run.ready, left == 0)
            context.set(writer.o.ready, left > 0 and takes)
            _, _, run_valid, run, valid, word = await context.tick().sample(
                writer.run.valid, writer.run.payload, writer.o.valid, writer.o.payload
            )
            if left == 0 and run_valid:
                assert run.write == 1
                runs.append((end if run.follows else run.address, run.beats + 1))
                left, end = run.beats + 1, sum(runs[-1])
            elif left and takes and valid:
                received.append(word)
                left -= 1

    simulator = Simulator(writer)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source)
    simulator.add_testbench(take, background=True)
    simulator.run()
    return runs


def test_a_few_words_are_one_run_when_they_are_flushed() -> None:
    assert written(3) == [(100, 3)]


def test_no_words_are_no_run() -> None:
    assert written(0) == []


def test_many_words_are_runs_of_a_burst_or_more_that_follow_each_other() -> None:
    for share in (1, 3):
        runs = written(50, share)
        assert all(BURST <= beats <= 2 * BURST for _, beats in runs[:-1])
        assert sum(beats for _, beats in runs) == 50
        assert [address for address, _ in runs] == [100 + sum(n for _, n in runs[:i]) for i in range(len(runs))]
