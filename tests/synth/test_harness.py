"""The trial harness feeds every input and watches every output of a component."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator, SimulatorContext

from synth.harness import TrialHarness


class Echo(wiring.Component):
    """Twenty output bits, each an input bit; a stream, so that ports flow both ways."""

    i: In(stream.Signature(20))
    o: Out(stream.Signature(20))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
        return m


def output_for(bits: list[int]) -> int:
    """What the harness shows once ``bits``, the first shifted in first, are loaded."""
    harness = TrialHarness(Echo())
    shown = []

    async def bench(context: SimulatorContext) -> None:
        for bit in bits:
            context.set(harness.serial, bit)
            await context.tick()
        context.set(harness.load, 1)
        await context.tick()
        context.set(harness.load, 0)
        await context.tick().repeat(4)
        shown.append(context.get(harness.o))

    simulator = Simulator(harness)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return shown[0]


def test_every_input_reaches_the_component_and_every_output_the_pin() -> None:
    ports = 22  # payload and valid one way, ready the other
    assert output_for([0] * ports) == 0
    for position in range(ports):
        assert output_for([int(i == position) for i in range(ports)]) == 1


def test_the_pin_shows_the_parity() -> None:
    assert output_for([1] * 21 + [0]) == 1
    assert output_for([1] * 22) == 0
