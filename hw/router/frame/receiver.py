"""Receiver: a packet's beats for the running primitive, and what was wrong with the packet."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import KeyFormat, Status
from hw.router.frame.command import STATUS_BITS
from hw.router.frame.ports import Elements, key_row
from hw.router.parameters import UnitParameters


def beat_layout(parameters: UnitParameters) -> data.StructLayout:
    """A beat of the data stream.

    ``elements``: raw elements, zero-extended; keys come one per lane (rows of FIRST start on a beat),
    all other elements alone in lane 0. Lanes without an element are ignored. ``last``: the packet
    ends with this beat. ``abort``: the packet ended before this beat, which carries nothing; a
    framer sends it when the host falls silent.
    """
    return data.StructLayout({"elements": key_row(parameters), "last": 1, "abort": 1})


class Receiver(wiring.Component):
    """Hands a packet's beats over as long as the primitive asks for them, then drains the rest.

    A primitive that asks for more than the packet holds gets elements of 0 (SHORT). Once it has
    everything it raises ``finish``; beats that still come are drained (LONG), up to the last or
    aborted one. A packet that is aborted just after its last due beat is ABORT.

    Beats pass through without delay, one per cycle.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    i : In(stream.Signature(beat_layout(parameters)))
    start : In(1)
        A command begins.
    follows : In(1)
        A packet belongs to it.
    finish : In(1)
        No more elements are due.
    format : In(2)
        ``KeyFormat`` of the keys.
    o : In(Elements)
        What the primitive takes.
    ended : Out(1)
        The packet is over, or there is none.
    status : Out(8)
        OK, SHORT, LONG or ABORT; final once ``ended`` and ``finish``.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "i": In(stream.Signature(beat_layout(parameters))),
                "start": In(1),
                "follows": In(1),
                "finish": In(1),
                "format": In(2),
                "o": In(Elements(parameters)),
                "ended": Out(1),
                "status": Out(STATUS_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """``open`` while the packet goes on; three registers note what was wrong."""
        m = Module()
        beat = self.i.payload
        is_open = Signal()
        taken = Signal()
        short = Signal()
        long = Signal()
        aborted = Signal()
        m.d.comb += [
            self.i.ready.eq(is_open & (self.finish | self.o.ready | beat.abort)),
            taken.eq(self.i.valid & self.i.ready),
            self.o.valid.eq((self.i.valid & ~beat.abort) | ~is_open),
            self.ended.eq(~is_open),
        ]
        with m.If(self.start):
            m.d.sync += [is_open.eq(self.follows), short.eq(0), long.eq(0), aborted.eq(0)]
        with m.Elif(is_open):
            with m.If(taken & (beat.last | beat.abort)):
                m.d.sync += is_open.eq(0)
            with m.If(taken & beat.abort):
                m.d.sync += aborted.eq(1)
            with m.Elif(taken & self.finish):
                m.d.sync += long.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += short.eq(1)
        with m.If(short):
            m.d.comb += self.status.eq(Status.SHORT)
        with m.Elif(long):
            m.d.comb += self.status.eq(Status.LONG)
        with m.Elif(aborted):
            m.d.comb += self.status.eq(Status.ABORT)
        self._convert(m, is_open)
        return m

    def _convert(self, m: Module, is_open: Signal) -> None:
        """Elements, zeros after the end; keys keep their order as unsigned numbers."""
        mask = Signal(24)
        flip = Signal(24)
        narrow = (self.format == KeyFormat.U16) | (self.format == KeyFormat.S16)
        m.d.comb += mask.eq(Mux(narrow, 0xFFFF, 0xFFFFFF))
        with m.If(self.format == KeyFormat.S16):
            m.d.comb += flip.eq(0x8000)
        with m.Elif(self.format == KeyFormat.S24):
            m.d.comb += flip.eq(0x800000)
        for lane in range(self._parameters.lanes):
            element = Signal(24, name=f"element_{lane}")
            m.d.comb += [
                element.eq(Mux(is_open, self.i.payload.elements[lane], 0)),
                self.o.elements[lane].eq(element),
                self.o.keys[lane].eq((element & mask) ^ flip),
            ]
