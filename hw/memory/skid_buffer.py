"""Skid buffer: a register in a stream, for ready as well as for valid and payload."""

from amaranth.hdl import Module, Mux, ShapeLike, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class SkidBuffer(wiring.Component):
    """Two places, filled and emptied in turn, so that no path leads through it in either direction.

    The latency is one cycle. The throughput is one word per cycle: while one place waits for its consumer, the
    other takes what its producer had offered before it saw that.

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
        """Places, how many are full, and whose turn it is; each rule of a stream holds whatever the registers hold."""
        m = Module()
        offered = Value.cast(self.i.payload)
        places = [Signal(len(offered), name=f"place_{number}") for number in range(2)]
        level, emptying = Signal(range(len(places) + 1)), Signal()
        filling, taken, given = Signal(), Signal(), Signal()
        m.d.comb += [
            filling.eq(emptying ^ level[0]),
            self.i.ready.eq(level < len(places)),
            self.o.valid.eq(level != 0),
            self.o.payload.eq(Mux(emptying, places[1], places[0])),
            taken.eq(self.i.valid & self.i.ready),
            given.eq(self.o.valid & self.o.ready),
        ]
        m.d.sync += [level.eq(level + taken - given), emptying.eq(emptying ^ given)]
        for number, place in enumerate(places):
            # what is offered may change only until it is taken, so the place need not know whether it is
            with m.If(self.i.ready & (filling == number)):
                m.d.sync += place.eq(offered)
        return m
