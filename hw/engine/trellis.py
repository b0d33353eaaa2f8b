"""Trellis weights: a register fed with fresh bits, seen through XORs and a small table (``formats.trellis``)."""

from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from formats.errors import InputError
from formats.trellis import WEIGHT_BITS, WORD_WEIGHTS, TrellisFormat
from hw.mux import choose


class TrellisGenerator(wiring.Component):
    """A word of trellis bits in, its eight weights out: takes the place of a generator.

    One mix and one table serve all formats of one code, whatever their fresh bits. The windows of a word lie in
    the word and in the bits before it, of which a register keeps as many as a window has::

        stream:  | kept: the L bits before | word: the fresh bits of eight weights |
                   oldest                                                 newest
                            └──── window of the first weight ────┘

    The table is odd: its lower half is the upper one inverted, read at the inverted index. The latency is
    ``GENERATOR_LATENCY`` cycles and the throughput one word a cycle.

    Parameters
    ----------
    formats
        Trellis formats of one code: one length of windows, one mix, one table.

    Raises
    ------
    InputError
        If the formats' codes differ or the table is not odd.

    Members
    -------
    word : In(widest word)
        The oldest bit lowest.
    first : In(1)
        The word is its row's first: no bits are before it.
    valid : In(1)
        There is a word. Without one the register keeps what it holds, and the weights mean nothing.
    rate : In(range(formats))
        Which of the formats the word is in; steady while a matrix streams.
    weights : Out(signed(8)).array(8)
    """

    def __init__(self, *formats: TrellisFormat) -> None:
        self._formats = formats
        self._code = formats[0]
        if len({trellis_format.code for trellis_format in formats}) > 1:
            raise InputError(f"{', '.join(f.name for f in formats)} have different codes: a generator each")
        half = len(self._code.table) // 2
        self._upper_half = self._code.table[half:]
        if any(self._code.table[half - 1 - i] != ~weight for i, weight in enumerate(self._upper_half)):
            raise InputError(f"the table of {self._code.name} is not odd; the hardware takes T[n - 1 - i] = ~T[n + i]")
        super().__init__(
            {
                "word": In(max(trellis_format.word_bits for trellis_format in formats)),
                "first": In(1),
                "valid": In(1),
                "rate": In(range(len(formats))),
                "weights": Out(signed(WEIGHT_BITS)).array(WORD_WEIGHTS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Cycle 1 word, 2 mix, 3 table, 4 sign."""
        m = Module()
        stream = self._stream(m)
        index_bits = self._code.index_bits
        mixed = [self._mix(m, stream, mask) for mask in self._code.masks]
        m.submodules.table = table = memory.Memory(
            shape=WEIGHT_BITS - 1, depth=len(self._upper_half), init=self._upper_half
        )
        for weight, output in enumerate(self.weights):
            index = choose(self.rate, [Cat(bits[self._end(f, weight)] for bits in mixed) for f in self._formats])
            below, held_below = Signal(name=f"below_{weight}"), Signal(name=f"held_below_{weight}")
            address = Signal(index_bits - 1, name=f"address_{weight}")
            magnitude = Signal(WEIGHT_BITS - 1, name=f"magnitude_{weight}")
            port = table.read_port(domain="comb")
            in_lower_half = ~index[-1]
            m.d.comb += port.addr.eq(address)
            m.d.sync += [
                address.eq(index[:-1] ^ in_lower_half.replicate(index_bits - 1)),
                below.eq(in_lower_half),
                magnitude.eq(port.data),
                held_below.eq(below),
                output.eq(Cat(magnitude ^ held_below.replicate(WEIGHT_BITS - 1), held_below)),
            ]
        return m

    def _stream(self, m: Module) -> Value:
        """The word of the cycle before and the L bits before it, the oldest bit lowest."""
        length = self._code.window_bits
        word, first, valid = Signal.like(self.word), Signal(), Signal()
        kept = Signal(length)
        m.d.sync += [word.eq(self.word), first.eq(self.first), valid.eq(self.valid)]
        stream = Cat(kept & ~first.replicate(length), word)
        with m.If(valid):
            m.d.sync += kept.eq(choose(self.rate, [stream[f.word_bits :][:length] for f in self._formats]))
        return stream

    def _mix(self, m: Module, stream: Value, mask: int) -> Value:
        """One index bit of every window, at the place where the window begins in the stream."""
        length = self._code.window_bits
        places = [length - 1 - bit for bit in range(length) if mask >> bit & 1]
        mixed = Signal(len(stream) - length + 1, name=f"mixed_{mask:x}")
        m.d.comb += mixed.eq(reduce(xor, [stream >> place for place in places]))
        return mixed

    @staticmethod
    def _end(trellis_format: TrellisFormat, weight: int) -> int:
        """Fresh bits of a word up to and with those of a weight: where its window begins in the stream."""
        return sum(trellis_format.fresh(earlier) for earlier in range(weight + 1))
