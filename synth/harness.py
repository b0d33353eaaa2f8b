"""A trial harness: any component between registers that need only four pins.

A lane has hundreds of ports, more than a package has pins, and the clock of a component is only
known once it is placed and routed between registers.
"""

from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

_FOLD = 8


class TrialHarness(wiring.Component):
    """Feeds a component from a shift register and folds its outputs into one bit.

    Inputs are held in a second rank of registers: fed by the shift register directly, a
    component's own input registers would equal the next bit's and be merged with them.

    Parameters
    ----------
    component
        What is placed; any signature.

    Members
    -------
    serial : In(1)
        Next bit of the inputs.
    load : In(1)
        Hand the shifted inputs to the component.
    o : Out(1)
        XOR of all outputs, some cycles later.
    """

    def __init__(self, component: wiring.Component) -> None:
        self._component = component
        super().__init__({"serial": In(1), "load": In(1), "o": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Shift in, hold, compute, capture, fold."""
        m = Module()
        m.submodules.component = self._component
        inputs: list[Value] = []
        outputs: list[Value] = []
        for _, member, value in self._component.signature.flatten(self._component):
            (inputs if member.flow is In else outputs).append(Value.cast(value))
        ports = Cat(inputs)
        shifted, held = Signal(len(ports)), Signal(len(ports))
        m.d.sync += shifted.eq(Cat(self.serial, shifted))
        with m.If(self.load):
            m.d.sync += held.eq(shifted)
        m.d.comb += ports.eq(held)
        captured = Signal(len(Cat(outputs)), name="captured")
        m.d.sync += captured.eq(Cat(outputs))
        while len(captured) > 1:
            folded = Signal(-(-len(captured) // _FOLD), name="folded")
            groups = [captured[i : i + _FOLD] for i in range(0, len(captured), _FOLD)]
            m.d.sync += folded.eq(Cat(reduce(xor, group) for group in groups))
            captured = folded
        m.d.comb += self.o.eq(captured)
        return m
