"""Claims about the decoder's units: elements stay in their order, and the first of the best keys is the largest."""

from amaranth.hdl import Module, Mux, Signal, signed

from formats.decoder.tables import KEY_BITS
from hw.decoder.best_keys import BestKeys
from hw.decoder.packer import Packer
from synth.claims import Claim, drive, free_inputs
from synth.memory_claims import COUNT_BITS, followed


class PackerKeepsEachElement(Claim):
    """The element that enters as number ``which`` leaves as number ``which``, for any number, of 8 or of 16 bits.

    Parameters
    ----------
    port_bits
        Of a beat.
    """

    def __init__(self, port_bits: int) -> None:
        self._port_bits = port_bits
        self._packer = packer = Packer(port_bits)
        super().__init__({"which": COUNT_BITS, **free_inputs(packer)})

    def elaborate(self, platform: object) -> Module:
        """Follow one element; the size of elements stays as it was in the first cycle."""
        m = Module()
        m.submodules.packer = packer = self._packer
        drive(m, packer, self)
        which, began = followed(m, self)
        wide, element = Signal(), Signal(16)
        entered, left = Signal(COUNT_BITS), Signal(COUNT_BITS)
        with m.If(~began):
            m.d.sync += wide.eq(packer.wide)
        with m.If(packer.i.valid & packer.i.ready):
            m.d.sync += entered.eq(entered + 1)
            with m.If(entered == which):
                m.d.sync += element.eq(packer.i.payload)
        leaves = packer.o.valid & packer.o.ready
        octets = self._port_bits // 8
        elements = Mux(wide, octets // 2, octets)
        with m.If(leaves):
            m.d.sync += left.eq(left + elements)
        kept = entered >= left + elements
        for place in range(octets):
            same = packer.o.payload.word_select(place, 8) == element[:8]
            kept = kept & (wide | (left + place != which) | same)
        for place in range(octets // 2):
            same = packer.o.payload.word_select(place, 16) == element
            kept = kept & (~wide | (left + place != which) | same)
        m.d.comb += [
            self.assumed.eq(Mux(began, packer.wide == wide, ~packer.i.valid)),
            self.holds.eq(~leaves | kept),
        ]
        return m


class BestKeysBeginWithTheLargest(Claim):
    """The first token handed over has the largest key, of equal ones the lowest number, and that key follows it.

    Parameters
    ----------
    keys, best
        Of the unit; as many as ``best`` are asked for.
    """

    def __init__(self, keys: int, best: int) -> None:
        self._keys, self._best = keys, best
        self._unit = unit = BestKeys(keys, best)
        super().__init__(free_inputs(unit))

    def elaborate(self, platform: object) -> Module:
        """Keep the largest of all logits that were taken, clipped to keys."""
        m = Module()
        m.submodules.unit = unit = self._unit
        drive(m, unit, self)
        most = (1 << KEY_BITS) - 1
        count, token = Signal(range(self._keys + 1)), Signal(range(self._keys))
        key, largest = Signal(signed(KEY_BITS + 1)), Signal(signed(KEY_BITS + 1))
        words = Signal(2)  # that were handed over, 2 at most
        logit = unit.i.payload
        m.d.comb += key.eq(Mux(logit > most, most, Mux(logit < -most, -most, logit)))
        taken = unit.i.valid & unit.i.ready & ~unit.ends
        with m.If(taken):
            m.d.sync += count.eq(count + 1)
            with m.If((count == 0) | (key > largest)):
                m.d.sync += [largest.eq(key), token.eq(count)]
        with m.If(unit.o.valid & unit.o.ready & (words != 2)):
            m.d.sync += words.eq(words + 1)
        right = Mux(words == 0, unit.o.payload == token, unit.o.payload.as_signed() == largest)
        m.d.comb += [
            self.assumed.eq(
                ~unit.start & (unit.wanted == self._best) & (~taken | ((count != self._keys) & (words == 0)))
            ),
            self.holds.eq(~unit.o.valid | (words == 2) | right),
        ]
        return m
