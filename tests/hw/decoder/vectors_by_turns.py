"""The vector unit with one stream for its words and the vectors that they are of."""

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, connect, flipped

from hw.decoder.rounding_shift import WORD
from hw.decoder.vector_unit import VectorUnit


class VectorsByTurns(wiring.Component):
    """A vector unit; above each word of ``i`` is its vector."""

    def __init__(self, unit: VectorUnit, batch: int) -> None:
        self._unit = unit
        members = dict(unit.signature.members)
        del members["i_vector"]
        tagged = data.StructLayout({"word": WORD, "vector": range(batch)})
        super().__init__({**members, "i": In(stream.Signature(tagged))})

    def elaborate(self, platform: object) -> Module:
        """Word and vector apart."""
        m = Module()
        m.submodules.unit = unit = self._unit
        connect(m, flipped(self.command), unit.command)
        connect(m, unit.o, flipped(self.o))
        m.d.comb += [
            unit.i.valid.eq(self.i.valid),
            self.i.ready.eq(unit.i.ready),
            unit.i.payload.eq(self.i.payload.word),
            unit.i_vector.eq(self.i.payload.vector),
            self.o_exponent.eq(unit.o_exponent),
        ]
        return m
