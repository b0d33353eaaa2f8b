"""Consistent overhead byte stuffing: packets whose bytes are never zero, so that a zero ends them."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.block_ram import read_apart
from hw.link.layouts import LINE_OCTETS, OCTETS, unstoppable

FULL_CODE = 255
"""Code of a block of 254 bytes that no zero follows."""

ITEM = data.StructLayout({"data": 8, "end": 1, "good": 1})
"""A byte of a packet, or its end: good if its last block is whole."""

ITEMS = unstoppable(ITEM)

PACKET_OCTET = data.StructLayout({"data": 8, "last": 1})


class CobsDecoder(wiring.Component):
    """Takes packets apart; each byte that comes gives at most one item, a cycle later.

    Every zero brings it back to its first state, and so does a pause within a packet. Packets without
    a byte give no item.

    Parameters
    ----------
    pause_cycles
        Cycles without a byte that end a packet as damaged.

    Members
    -------
    i : In(LINE_OCTETS)
    o : Out(ITEMS)
    idle : Out(1)
        No packet has begun.
    """

    def __init__(self, pause_cycles: int) -> None:
        self._pause_cycles = pause_cycles
        super().__init__({"i": In(LINE_OCTETS), "o": Out(ITEMS), "idle": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        """Count the bytes that are left of a block."""
        m = Module()
        left, full = Signal(8), Signal()
        # from here on a pause's cycles are counted up to a power of two
        begin = -self._pause_cycles % (1 << (self._pause_cycles - 1).bit_length())
        pause = Signal(range(begin + self._pause_cycles), init=begin)
        octet = self.i.payload
        m.d.sync += [self.o.valid.eq(0), self.o.payload.data.eq(Mux(left == 0, 0, octet)), self.o.payload.end.eq(0)]
        m.d.sync += pause.eq(begin)
        with m.If(self.i.valid & (octet == 0)):
            m.d.sync += [self.o.valid.eq(~self.idle), self.o.payload.end.eq(1), self.o.payload.good.eq(~left.any())]
            m.d.sync += [self.idle.eq(1), left.eq(0)]
        with m.Elif(self.i.valid & (left == 0)):
            # the zero that ends a block is given with the next block's code: behind the last block there is none
            m.d.sync += [self.o.valid.eq(~self.idle & ~full), full.eq(octet == FULL_CODE)]
            m.d.sync += [self.idle.eq(0), left.eq(octet - 1)]
        with m.Elif(self.i.valid):
            m.d.sync += [self.o.valid.eq(1), left.eq(left - 1)]
        with m.Elif(~self.idle):
            m.d.sync += pause.eq(pause + 1)
            with m.If(pause.all()):
                m.d.sync += [self.o.valid.eq(1), self.o.payload.end.eq(1), self.o.payload.good.eq(0)]
                m.d.sync += [self.idle.eq(1), left.eq(0)]
        return m


class CobsEncoder(wiring.Component):
    """Makes packets: a zero, blocks, a zero. A block is kept until its length is known.

    Members
    -------
    i : In(stream.Signature(PACKET_OCTET))
        Bytes of packets; a packet has at least one.
    o : Out(OCTETS)
    """

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(PACKET_OCTET)), "o": Out(OCTETS)})

    def elaborate(self, platform: object) -> Module:
        """Collect a block, then give its code and its bytes."""
        m = Module()
        m.submodules.block = block = memory.Memory(shape=8, depth=256, init=[])
        write = block.write_port()
        read, word = read_apart(m, block, write.en)
        count, place, octet = Signal(8), Signal(8), Signal(8)
        ends, ends_on_zero, nonzero = Signal(), Signal(), Signal()
        m.d.comb += [
            nonzero.eq(self.i.payload.data != 0),
            write.addr.eq(count),
            write.data.eq(self.i.payload.data),
            read.addr.eq(place),
        ]
        with m.FSM():
            with m.State("START"):
                m.d.comb += self.o.valid.eq(self.i.valid)
                with m.If(self.i.valid & self.o.ready):
                    m.next = "COLLECT"
            with m.State("COLLECT"):
                m.d.comb += [self.i.ready.eq(1), write.en.eq(self.i.valid & nonzero)]
                with m.If(self.i.valid):
                    m.d.sync += [count.eq(count + nonzero), ends.eq(self.i.payload.last & nonzero)]
                    m.d.sync += ends_on_zero.eq(self.i.payload.last & ~nonzero)
                    with m.If(~nonzero | self.i.payload.last | (count == FULL_CODE - 2)):
                        m.next = "CODE"
            with m.State("CODE"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(count + 1)]
                with m.If(self.o.ready):
                    m.next = "FETCH"
            with m.State("FETCH"):
                with m.If(place != count):
                    m.next = "READ"
                with m.Else():
                    m.d.sync += [count.eq(0), place.eq(0), ends.eq(ends_on_zero), ends_on_zero.eq(0)]
                    with m.If(ends):
                        m.next = "END"
                    with m.Elif(ends_on_zero):
                        m.next = "CODE"
                    with m.Else():
                        m.next = "COLLECT"
            with m.State("READ"):
                # block RAM answers late in the cycle
                m.d.sync += octet.eq(word)
                m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(octet)]
                with m.If(self.o.ready):
                    m.d.sync += place.eq(place + 1)
                    m.next = "FETCH"
            with m.State("END"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += ends.eq(0)
                    m.next = "START"
        return m
