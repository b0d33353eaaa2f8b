"""Executor: runs parts of the start's program on LiteDRAM's bus of registers."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hw.memory.litedram.boards import Ddr3Memory
from hw.memory.litedram.core import REGISTER_ADDRESS_BITS, Core
from hw.memory.litedram.program import Kind, Part, program

REGISTERS = wiring.Signature({"address": Out(REGISTER_ADDRESS_BITS), "write": Out(1), "value": Out(32), "read": In(32)})
"""LiteDRAM's bus of registers: a register's value is there a cycle after its address."""

_INSTRUCTION = data.StructLayout({"kind": range(len(Kind)), "address": REGISTER_ADDRESS_BITS, "value": 32})


class Executor(wiring.Component):
    """Runs parts of the program, one step in 2 cycles, a comparison in 3, a pause in as many more as it says.

    Parameters
    ----------
    ddr3, core
        What the program follows from.

    Members
    -------
    call, part : In(1), In(range(len(Part)))
        Begin a part. While one is run, a call is not looked at.
    lane : In(range(ddr3.lanes))
        That the steps are about.
    ended : Out(1)
        For one cycle, behind the part's last step.
    passed : Out(1)
        All comparisons of the part were right.
    registers : Out(REGISTERS)
    """

    def __init__(self, ddr3: Ddr3Memory, core: Core) -> None:
        self._lanes = ddr3.lanes
        self._steps, self._begins = program(ddr3, core)
        super().__init__(
            {
                "call": In(1),
                "part": In(range(len(Part))),
                "lane": In(range(ddr3.lanes)),
                "ended": Out(1),
                "passed": Out(1),
                "registers": Out(REGISTERS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Fetch, act, and where something was read, look at it."""
        m = Module()
        m.submodules.steps = steps = memory.Memory(shape=_INSTRUCTION, depth=self._depth, init=self._contents())
        port = steps.read_port()
        step, place, left = port.data, Signal(range(self._depth)), Signal(32)
        own = Signal(self._lanes)
        m.d.comb += [port.addr.eq(place), own.eq(Const(1) << self.lane)]
        m.d.comb += [
            self.registers.address.eq(step.address),
            self.registers.value.eq(Mux(step.kind == Kind.SELECT.value, own, step.value)),
        ]
        with m.FSM():
            with m.State("IDLE"), m.If(self.call), m.Switch(self.part):
                for part, begins in self._begins.items():
                    with m.Case(part.value):
                        m.d.sync += [place.eq(begins), self.passed.eq(1)]
                        m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "ACT"
            with m.State("ACT"):
                m.d.sync += [left.eq(step.value), place.eq(place + 1)]
                m.next = "FETCH"
                with m.Switch(step.kind):
                    with m.Case(Kind.WRITE.value, Kind.SELECT.value):
                        m.d.comb += self.registers.write.eq(1)
                    with m.Case(Kind.COMPARE.value, Kind.DETECT.value):
                        m.d.sync += place.eq(place)
                        m.next = "LOOK"
                    with m.Case(Kind.WAIT.value):
                        m.next = "WAIT"
                    with m.Case(Kind.END.value):
                        m.d.comb += self.ended.eq(1)
                        m.next = "IDLE"
            with m.State("WAIT"):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 1):
                    m.next = "FETCH"
            with m.State("LOOK"):
                m.d.sync += place.eq(place + 1)
                with m.If(~self._right(step, own)):
                    m.d.sync += self.passed.eq(0)
                m.next = "FETCH"
        return m

    @property
    def _depth(self) -> int:
        """Steps of the memory, a power of two."""
        return 1 << (len(self._steps) - 1).bit_length()

    def _contents(self) -> list[dict[str, int]]:
        return [{"kind": step.kind.value, "address": step.address, "value": step.value} for step in self._steps]

    def _right(self, step: data.View, own: Signal) -> Value:
        """Whether the lane's bytes, or its bit, are what they should be."""
        differs = self.registers.read ^ step.value
        octets = [differs[8 * place : 8 * place + 8].any() & own[place % self._lanes] for place in range(4)]
        return Mux(step.kind == Kind.DETECT.value, (self.registers.read & own).any(), ~Cat(*octets).any())
