"""Best keys: the likeliest tokens, while their logits pass."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import KEY_BITS
from hw.decoder.rounding_shift import WORD


class BestKeys(wiring.Component):
    """Takes logits, clipped to keys, and keeps the best, sorted; of equal keys the lower token is better.

    The order is that of the token router's TOPK and ARGMAX. A logit takes two cycles. One that is kept takes one more,
    and another for each key that it is better than. So a vector of 67 cycles or longer hides them all.

    Parameters
    ----------
    keys
        Most logits.
    best
        Most that are kept, a power of two.

    Members
    -------
    start : In(1)
        Forget all; while nothing is under way.
    wanted : In(range(best + 1))
        How many are kept, 1 or more; stays.
    i : In(stream.Signature(signed(32)))
        Logits, scaled as keys.
    count : Out(range(keys + 1))
        Logits that were looked at.
    kept : Out(range(best + 1))
        Keys that are there.
    ends : In(1)
        No logit follows: hand over what is kept.
    o : Out(stream.Signature(32))
        Each token and then its key, a two's complement, the best first. Three cycles each pair.
    """

    def __init__(self, keys: int, best: int) -> None:
        self._entry = data.StructLayout({"key": signed(KEY_BITS + 1), "token": range(keys)})
        self._best = best
        super().__init__(
            {
                "start": In(1),
                "wanted": In(range(best + 1)),
                "i": In(stream.Signature(WORD)),
                "count": Out(range(keys + 1)),
                "kept": Out(range(best + 1)),
                "ends": In(1),
                "o": Out(stream.Signature(32)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A gap behind the last key moves forward until the key before it is no worse than the new one."""
        m = Module()
        m.submodules.entries = entries = Memory(shape=self._entry, depth=self._best, init=[])
        read, write = entries.read_port(), entries.write_port()
        key, least, most = Signal(signed(KEY_BITS + 1)), Signal(signed(KEY_BITS + 1)), (1 << KEY_BITS) - 1
        gap, place, logit = Signal(range(self._best)), Signal.like(self.kept), self.i.payload
        fills, full, last, settled = Signal(), Signal(), Signal.like(gap), Signal()
        # between a change of what is kept and a look at these lies a state
        m.d.sync += [full.eq(fills), last.eq(Mux(fills, self.wanted - 1, self.kept))]
        m.d.comb += [
            fills.eq(self.kept == self.wanted),
            settled.eq((gap == 0) | (read.data.key >= key)),
            write.addr.eq(gap),
            write.data.key.eq(Mux(settled, key, read.data.key)),
            write.data.token.eq(Mux(settled, self.count, read.data.token)),
            read.addr.eq(place),
        ]
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += key.eq(Mux(logit > most, most, Mux(logit < -most, -most, logit)))
                m.d.sync += place.eq(0)
                with m.If(self.start):
                    m.d.sync += [self.count.eq(0), self.kept.eq(0)]
                with m.Elif(self.ends):
                    m.next = "READ"
                with m.Elif(self.i.valid):
                    m.next = "COMPARE"
            with m.State("COMPARE"):
                m.d.comb += read.addr.eq(last - 1)
                m.d.sync += gap.eq(last)
                with m.If(full & (key <= least)):
                    m.d.sync += self.count.eq(self.count + 1)
                    m.next = "TAKE"
                with m.Else():
                    m.d.sync += self.kept.eq(self.kept + ~full)
                    m.next = "MOVE"
            with m.State("MOVE"):
                m.d.comb += [read.addr.eq(gap - 2), write.en.eq(1)]
                m.d.sync += gap.eq(gap - 1)
                with m.If(gap == self.wanted - 1):
                    m.d.sync += least.eq(write.data.key)
                with m.If(settled):
                    m.d.sync += self.count.eq(self.count + 1)
                    m.next = "TAKE"
            with m.State("READ"):
                m.next = "TOKEN"
                with m.If(place == self.kept):
                    m.next = "TAKE"
            with m.State("TOKEN"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(read.data.token)]
                with m.If(self.o.ready):
                    m.next = "KEY"
            with m.State("KEY"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(read.data.key)]
                with m.If(self.o.ready):
                    m.d.sync += place.eq(place + 1)
                    m.next = "READ"
        return m
