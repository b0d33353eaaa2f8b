"""Claims about memory: what is read comes in order, and words are the bits of the beats in their order."""

from math import gcd

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from hw.memory.chips import SdramChip
from hw.memory.port import MemoryPort, parts_a_beat
from hw.memory.unpacker import Unpacker
from synth.claims import Claim, drive, free_inputs

COUNT_BITS = 6
"""Bits of counters, enough for the cycles of a proof."""


def followed(m: Module, claim: Claim) -> tuple[Signal, Signal]:
    """A number chosen in the first cycle, any number, and whether that cycle is over."""
    which, began = Signal(COUNT_BITS, name="followed_number"), Signal(name="began")
    m.d.sync += began.eq(1)
    with m.If(~began):
        m.d.sync += which.eq(claim.which)
    return which, began


class UnpackerKeepsEachBit(Claim):
    """The bits that enter as number ``which`` leave as number ``which``, for any number.

    Parameters
    ----------
    port_bytes, word_bits
        Of the unpacker. Bits are followed in groups that neither beat nor word divides.
    """

    def __init__(self, port_bytes: int, word_bits: int) -> None:
        self._unit = gcd(8 * port_bytes, word_bits)
        self._beat, self._word = 8 * port_bytes // self._unit, word_bits // self._unit
        self._unpacker = unpacker = Unpacker(port_bytes, word_bits)
        super().__init__({"which": COUNT_BITS, **free_inputs(unpacker)})

    def elaborate(self, platform: object) -> Module:
        """Follow one group of bits."""
        m = Module()
        m.submodules.unpacker = unpacker = self._unpacker
        drive(m, unpacker, self)
        which, began = followed(m, self)
        entered, left, bits = Signal(COUNT_BITS), Signal(COUNT_BITS), Signal(self._unit)
        enters, leaves = unpacker.i.valid & unpacker.i.ready, unpacker.o.valid & unpacker.o.ready
        with m.If(enters):
            m.d.sync += entered.eq(entered + self._beat)
            for place in range(self._beat):
                with m.If(entered + place == which):
                    m.d.sync += bits.eq(unpacker.i.payload.word_select(place, self._unit))
        with m.If(leaves):
            m.d.sync += left.eq(left + self._word)
        kept = entered >= left + self._word
        for place in range(self._word):
            same = unpacker.o.payload.word_select(place, self._unit) == bits
            kept = kept & ((left + place != which) | same)
        m.d.comb += [
            self.assumed.eq(~unpacker.clear & (began | ~enters)),
            self.holds.eq(~leaves | kept),
        ]
        return m


class PortReadsEachBeat(Claim):
    """Part n of a run is asked for at its address plus n, and answer ``which`` leaves as part ``which``. A run that
    follows another has the address behind it.

    No beat is asked for twice or left out, and none is lost, however long the answers take and the
    consumer waits.

    Parameters
    ----------
    chip, port_bytes, depth
        Of the port. The claim is the same for any; a small one is quick to prove.
    """

    def __init__(self, chip: SdramChip, port_bytes: int, depth: int) -> None:
        self._chip = chip
        self._parts = parts_a_beat(chip, port_bytes)
        self._port = port = MemoryPort(chip, port_bytes, depth)
        super().__init__({"which": COUNT_BITS, **free_inputs(port)})

    def elaborate(self, platform: object) -> Module:
        """Count a run's parts, and follow one answer."""
        m = Module()
        m.submodules.port = port = self._port
        drive(m, port, self)
        which, began = followed(m, self)
        run, request = port.i_run, port.request
        starts, asks = run.valid & run.ready, request.valid & request.ready
        address, to_ask = Signal(self._chip.address_bits), Signal(self._chip.address_bits + 1)
        with m.If(asks):
            m.d.sync += [address.eq(address + 1), to_ask.eq(to_ask - 1)]
        with m.If(starts):
            first = Cat(Const(0, (self._parts - 1).bit_length()), run.payload.address)
            m.d.sync += [
                address.eq(Mux(run.payload.follows, address + asks, first)),
                to_ask.eq((run.payload.beats + 1) * self._parts),
            ]
        asked, answered = Signal(COUNT_BITS), Signal(COUNT_BITS)
        m.d.sync += [asked.eq(asked + asks), answered.eq(answered + port.read_valid)]
        m.d.comb += [
            self.assumed.eq(
                (began | ~(starts | port.read_valid))
                & ~(run.valid & run.payload.write)
                & (~port.read_valid | (answered != asked))
            ),
            self.holds.eq(
                (~asks | ((request.payload.address == address) & (to_ask != 0) & ~request.payload.write))
                & (~starts | (to_ask == Mux(asks, 1, 0)))
                & self._keeps(m, which, answered)
            ),
        ]
        return m

    def _keeps(self, m: Module, which: Signal, answered: Signal) -> Signal:
        """Whether what leaves has been answered, and in this order."""
        port, left = self._port, Signal(COUNT_BITS)
        data, kept = Signal(self._chip.data_bits), Signal()
        with m.If(port.read_valid & (answered == which)):
            m.d.sync += data.eq(port.read_data)
        leaves = port.o.valid & port.o.ready
        with m.If(leaves):
            m.d.sync += left.eq(left + self._parts)
        right = answered >= left + self._parts
        for place in range(self._parts):
            same = port.o.payload.word_select(place, self._chip.data_bits) == data
            right = right & ((left + place != which) | same)
        m.d.comb += kept.eq(~leaves | right)
        return kept
