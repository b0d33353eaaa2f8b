"""Start sequencer: starts a DDR3 chip, and finds the settings at which its lanes read right."""

from collections.abc import Iterator
from contextlib import contextmanager

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out, connect, flipped

from hw.memory.litedram.boards import Ddr3Memory
from hw.memory.litedram.core import BITSLIPS, DELAYS, Core
from hw.memory.litedram.executor import REGISTERS, Executor
from hw.memory.litedram.program import Part

SETTINGS = data.StructLayout({"bitslip": range(BITSLIPS), "delay": range(DELAYS), "window": range(DELAYS + 1)})
"""What levelling found for a lane: bitslip, delay, and how many delays in a row read right, 0 for none."""


class StartSequencer(wiring.Component):
    """Starts the chip, levels each lane, and hands the chip over to LiteDRAM's controller.

    For each lane, all bitslips and all delays are tried, as LiteDRAM's software does it (``sdram_read_leveling`` of
    ``liblitedram``). The bitslip with the longest run of right delays is taken, and of this run the middle. A test
    writes and reads two bursts and compares all of the lane's bytes. LiteDRAM's software compares two of eight.

    Parameters
    ----------
    ddr3, core
        What is started.

    Members
    -------
    done : Out(1)
        The memory can be used.
    failed : Out(1)
        A lane reads right at no setting, or no longer at the one that was found. It is not handed over.
    found : Out(data.ArrayLayout(SETTINGS, ddr3.lanes))
    registers : Out(REGISTERS)
    """

    def __init__(self, ddr3: Ddr3Memory, core: Core) -> None:
        self._lanes = ddr3.lanes
        self._executor = Executor(ddr3, core)
        super().__init__(
            {
                "done": Out(1),
                "failed": Out(1),
                "found": Out(data.ArrayLayout(SETTINGS, ddr3.lanes)),
                "registers": Out(REGISTERS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Every state but ``APPROACH`` and ``CHOOSE`` calls a part of the program and goes on at its end."""
        m = Module()
        m.submodules.executor = self._executor
        connect(m, self._executor.registers, flipped(self.registers))
        lane = Signal(range(self._lanes))
        chosen, bitslip, delay = Signal(), Signal(range(BITSLIPS)), Signal(range(DELAYS))
        best = Signal(SETTINGS)
        m.d.comb += self._executor.lane.eq(lane)
        with m.FSM():
            with m.State("START"), self._calls(m, Part.START):
                m.next = "RESET_BITSLIP"
            with m.State("RESET_BITSLIP"), self._calls(m, Part.RESET_BITSLIP):
                m.d.sync += bitslip.eq(0)
                m.next = "RESET_DELAY"
            with m.State("RESET_DELAY"), self._calls(m, Part.RESET_DELAY):
                m.d.sync += delay.eq(0)
                m.next = "APPROACH"
            with m.State("APPROACH"):  # while all settings are tried there is nothing to approach
                with m.If(chosen & (bitslip != best.bitslip)):
                    m.next = "NEXT_BITSLIP"
                with m.Elif(chosen & (delay != best.delay)):
                    m.next = "NEXT_DELAY"
                with m.Else():
                    m.next = "TEST"
            with m.State("NEXT_BITSLIP"), self._calls(m, Part.NEXT_BITSLIP):
                m.d.sync += bitslip.eq(bitslip + 1)
                with m.If(chosen):
                    m.next = "APPROACH"
                with m.Else():
                    m.next = "RESET_DELAY"
            with m.State("NEXT_DELAY"), self._calls(m, Part.NEXT_DELAY):
                m.d.sync += delay.eq(delay + 1)
                m.next = "APPROACH"
            with m.State("TEST"), self._calls(m, Part.TEST):
                with m.If(~chosen):
                    self._judge(m, bitslip, delay, best)
                with m.Elif(~self._executor.passed):
                    m.next = "FAILED"
                with m.Else():
                    m.d.sync += [self.found[lane].eq(best), best.eq(0), chosen.eq(0), lane.eq(lane + 1)]
                    m.next = "RESET_BITSLIP"
                    with m.If(lane == self._lanes - 1):
                        m.next = "HAND_OVER"
            with m.State("CHOOSE"):
                # the delay was the run's last; its middle is half of the others back
                m.d.sync += [chosen.eq(1), best.delay.eq(best.delay - ((best.window - 1) >> 1))]
                m.next = "RESET_BITSLIP"
                with m.If(best.window == 0):
                    m.next = "FAILED"
            with m.State("HAND_OVER"), self._calls(m, Part.HAND_OVER):
                m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
            with m.State("FAILED"):
                m.d.comb += self.failed.eq(1)
        return m

    @contextmanager
    def _calls(self, m: Module, part: Part) -> Iterator[None]:
        """Call a part once; what is inside happens at its end."""
        executor = self._executor
        m.d.comb += [executor.part.eq(part.value), executor.call.eq(~executor.ended)]
        with m.If(executor.ended):
            yield

    def _judge(self, m: Module, bitslip: Signal, delay: Signal, best: data.View) -> None:
        """Count how many delays in a row were right, and go to the next setting."""
        run, length = Signal(range(DELAYS)), Signal(range(DELAYS + 1))
        m.d.comb += length.eq(Mux(self._executor.passed, run + 1, 0))
        m.d.sync += run.eq(length)
        with m.If(length > best.window):
            m.d.sync += [best.bitslip.eq(bitslip), best.delay.eq(delay), best.window.eq(length)]
        m.next = "NEXT_DELAY"
        with m.If(delay == DELAYS - 1):
            m.d.sync += run.eq(0)
            m.next = "NEXT_BITSLIP"
            with m.If(bitslip == BITSLIPS - 1):
                m.next = "CHOOSE"
