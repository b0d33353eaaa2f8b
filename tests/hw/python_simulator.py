"""An engine in Amaranth's own simulator: slow cycles, but nothing to compile. Knows no torch."""

from collections.abc import Sequence

from amaranth.hdl import Value
from amaranth.sim import Simulator, SimulatorContext

from hw.engine.engine import Engine


def stream_through(
    engine: Engine, commands: Sequence[int], beats: Sequence[int], result_beats: int, result_pause: int = 0
) -> list[int]:
    """Offer all commands and beats as early as may be and return the result beats.

    Parameters
    ----------
    engine
        The engine.
    commands, beats, result_beats
        Of all products together, one after the other.
    result_pause
        Cycles without ready before each cycle with.

    Raises
    ------
    TimeoutError
        If the results do not come.
    """
    received: list[int] = []
    limit = 2 * len(beats) + (result_pause + 1) * result_beats + 200

    async def bench(context: SimulatorContext) -> None:
        commands_taken = beats_taken = 0
        for cycle in range(limit):
            ports = ((engine.i_command, commands, commands_taken), (engine.i_data, beats, beats_taken))
            for stream, payloads, taken in ports:
                context.set(stream.valid, taken < len(payloads))
                context.set(Value.cast(stream.payload), payloads[min(taken, len(payloads) - 1)])
            ready = cycle % (result_pause + 1) == result_pause
            context.set(engine.o_results.ready, ready)
            commands_taken += context.get(engine.i_command.valid) & context.get(engine.i_command.ready)
            beats_taken += context.get(engine.i_data.valid) & context.get(engine.i_data.ready)
            if ready and context.get(engine.o_results.valid):
                received.append(context.get(Value.cast(engine.o_results.payload)))
                if len(received) == result_beats:
                    return
            await context.tick()
        raise TimeoutError(f"{len(received)} of {result_beats} result beats after {limit} cycles")

    simulator = Simulator(engine)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return received
