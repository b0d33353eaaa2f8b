"""A claim about the SDRAM controller: no command comes too early for the one before it."""

from amaranth.hdl import Cat, Const, Module, Signal, Value

from hw.memory.chips import Sdram
from hw.memory.sdram import ACTIVATE, MODE, PRECHARGE, READ, REFRESH, WRITE, SdramController
from synth.claims import Claim, drive, free_inputs


class ControllerKeepsItsRules(Claim):
    """Every distance of the chip's timing holds between any two commands, whatever is asked for.

    A refresh is never late. Reads and writes meet an open page, and only they; the controller drives the
    data bus with writes alone.

    Parameters
    ----------
    sdram
        Of the controller. Short distances are quick to prove.
    """

    def __init__(self, sdram: Sdram) -> None:
        self._timing = sdram.timing
        self._controller = SdramController(sdram)
        super().__init__(free_inputs(self._controller))

    def elaborate(self, platform: object) -> Module:
        """Count from each command to the next."""
        m = Module()
        m.submodules.controller = controller = self._controller
        drive(m, controller, self)
        timing, pins = self._timing, controller.pins
        command = pins.ras | pins.cas << 1 | pins.we << 2
        is_open, started, since_refresh = Signal(), Signal(), Signal(range(timing.refresh + 1))
        m.d.sync += since_refresh.eq(since_refresh + 1)
        with m.If(command == REFRESH):
            m.d.sync += since_refresh.eq(1)
        with m.If(command == MODE):
            m.d.sync += started.eq(1)
        with m.If(command == ACTIVATE):
            m.d.sync += is_open.eq(1)
        with m.If(command == PRECHARGE):
            m.d.sync += is_open.eq(0)

        def apart(before: int, after: tuple[int, ...], cycles: int) -> Value:
            return self._apart(m, command, before, after, cycles)

        column, others = (READ, WRITE), (ACTIVATE, READ, REFRESH, PRECHARGE, WRITE, MODE)
        m.d.comb += self.holds.eq(
            apart(ACTIVATE, column, timing.t_rcd)
            & apart(PRECHARGE, (ACTIVATE, REFRESH, MODE), timing.t_rp)
            & apart(ACTIVATE, (PRECHARGE,), timing.t_ras)
            & apart(ACTIVATE, (ACTIVATE,), timing.t_rc)
            & apart(REFRESH, others, timing.t_rfc)
            & apart(WRITE, (PRECHARGE,), timing.t_wr)
            & apart(MODE, others, timing.t_mrd)
            & apart(READ, (WRITE,), timing.cas_latency + 2)
            & (~started | (command == REFRESH) | (since_refresh != timing.refresh))
            & (is_open | ((command != READ) & (command != WRITE)))
            & (~is_open | ((command != ACTIVATE) & (command != REFRESH) & (command != MODE)))
            & (pins.dq_oe == (command == WRITE))
        )
        return m

    def _apart(self, m: Module, command: Value, before: int, after: tuple[int, ...], cycles: int) -> Value:
        """Whether no command of ``after`` comes less than ``cycles`` after ``before``."""
        recent = Signal(cycles - 1, name=f"recent_{before}_{cycles}_{after[0]}")
        m.d.sync += recent.eq(Cat(command == before, recent))
        too_early: Value = Const(0)
        for other in after:
            too_early = too_early | (command == other)
        return ~(recent.any() & too_early)
