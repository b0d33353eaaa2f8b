"""Largest key: the likeliest token, while its logits pass."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import KEY_BITS
from hw.decoder.rounding_shift import WORD


class LargestKey(wiring.Component):
    """Takes a logit a cycle, clipped to a key; of equal keys the first counts, as with the token router's ARGMAX.

    Parameters
    ----------
    keys
        Most of them.

    Members
    -------
    start : In(1)
        Forget all.
    i : In(stream.Signature(signed(32)))
        Logits, scaled as keys.
    count : Out(range(keys + 1))
        Keys so far.
    index, key : Out(range(keys)), Out(signed(24))
        Of the largest so far.
    """

    def __init__(self, keys: int) -> None:
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(WORD)),
                "count": Out(range(keys + 1)),
                "index": Out(range(keys)),
                "key": Out(signed(KEY_BITS + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A counter, and what it was at the largest key."""
        m = Module()
        larger, key, most = Signal(), Signal.like(self.key), (1 << KEY_BITS) - 1
        logit = self.i.payload
        m.d.comb += [
            self.i.ready.eq(1),
            key.eq(Mux(logit > most, most, Mux(logit < -most, -most, logit))),
            larger.eq((self.count == 0) | (key > self.key)),
        ]
        with m.If(self.start):
            m.d.sync += self.count.eq(0)
        with m.Elif(self.i.valid):
            m.d.sync += self.count.eq(self.count + 1)
            with m.If(larger):
                m.d.sync += [self.key.eq(key), self.index.eq(self.count)]
        return m
