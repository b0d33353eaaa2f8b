"""Handover: a register between who gives a command and who takes it, for both directions."""

from amaranth.hdl import Module, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Handover(wiring.Component):
    """Takes a word only when whoever gets it is ready, so what goes with the word may change as it is taken.

    Whoever gets it stays ready until it takes one. A word leaves in the cycle behind the one in which it was taken,
    three cycles after the word before it at the earliest. No path leads through in either direction.

    Parameters
    ----------
    shape
        Of a word.

    Members
    -------
    i, o : In(stream.Signature(shape)), Out(stream.Signature(shape))
    """

    def __init__(self, shape: ShapeLike) -> None:
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: object) -> Module:
        """A word, whether it is there, and whether the next may come."""
        m = Module()
        offered = Value.cast(self.i.payload)
        word, taken = Signal(len(offered)), Signal()
        m.d.comb += [taken.eq(self.i.valid & self.i.ready), self.o.payload.eq(word)]
        m.d.sync += self.i.ready.eq(self.o.ready & ~self.o.valid & ~taken)
        with m.If(taken):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        # nothing that is kept is lost, so the word need not know whether it is taken
        with m.If(self.i.ready):
            m.d.sync += word.eq(offered)
        return m
