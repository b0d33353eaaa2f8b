"""Trellis weights: a register fed with fresh bits, seen through XORs and a small table (``formats.trellis``)."""

from collections.abc import Sequence
from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Module, Signal, Value, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from formats.errors import InputError
from formats.trellis import WEIGHT_BITS, WORD_WEIGHTS, TrellisFormat
from hw.mux import choose


class FedRegister(wiring.Component):
    """The latest word of a row and the L bits before it, L the length of a window.

    Where there is no word nothing moves. The latency is a cycle.

    Parameters
    ----------
    formats
        Trellis formats of one length of windows.

    Members
    -------
    word : In(widest word)
        Its oldest bit lowest.
    first : In(1)
        The word is its row's first: the bits before it are 0.
    valid : In(1)
        There is a word.
    rate : In(range(formats))
        Which of the formats the word is in; steady while a row streams.
    stream : Out(L + widest word)
        The oldest bit lowest, the word from bit L on.
    """

    def __init__(self, formats: Sequence[TrellisFormat]) -> None:
        self._formats = formats
        self._length = formats[0].window_bits
        widest = max(trellis_format.word_bits for trellis_format in formats)
        super().__init__(
            {
                "word": In(widest),
                "first": In(1),
                "valid": In(1),
                "rate": In(range(len(formats))),
                "stream": Out(self._length + widest),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The last L bits of the stream move below the next word."""
        m = Module()
        ends = [self.stream[f.word_bits :][: self._length] for f in self._formats]
        before = choose(self.rate, ends) & ~self.first.replicate(self._length)
        with m.If(self.valid):
            m.d.sync += self.stream.eq(Cat(before, self.word))
        return m


class OddTable(wiring.Component):
    """Lookups in a table of odd symmetry, which holds its upper half: ``T[n + i]`` and ``T[n - 1 - i] = ~T[n + i]``.

    The latency is three cycles and the throughput a lookup a cycle at every port.

    Parameters
    ----------
    table
        Signed integers of 8 bits, 2n of them, n a power of two.
    ports
        Lookups a cycle.

    Raises
    ------
    InputError
        If the table is not odd, or its upper half holds a negative integer.

    Members
    -------
    indices : In(range(2n)).array(ports)
    weights : Out(signed(8)).array(ports)
    """

    def __init__(self, table: Sequence[int], ports: int) -> None:
        half = len(table) // 2
        self._upper_half = table[half:]
        odd = all(table[half - 1 - i] == ~weight for i, weight in enumerate(self._upper_half))
        if not odd or min(self._upper_half) < 0:
            raise InputError("a trellis table in hardware holds 0 or more in its upper half and T[n-1-i] = ~T[n+i]")
        super().__init__(
            {
                "indices": In(range(len(table))).array(ports),
                "weights": Out(signed(WEIGHT_BITS)).array(ports),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Cycle 1 place in the upper half, 2 magnitude, 3 sign."""
        m = Module()
        magnitude_bits = WEIGHT_BITS - 1
        m.submodules.table = table = memory.Memory(
            shape=magnitude_bits, depth=len(self._upper_half), init=self._upper_half
        )
        for number, (index, weight) in enumerate(zip(self.indices, self.weights, strict=True)):
            port = table.read_port(domain="comb")
            is_below = ~index[-1]
            below, below_late = Signal(name=f"below_{number}"), Signal(name=f"below_late_{number}")
            place = Signal(len(index) - 1, name=f"place_{number}")
            magnitude = Signal(magnitude_bits, name=f"magnitude_{number}")
            m.d.comb += port.addr.eq(place)
            m.d.sync += [
                place.eq(index[:-1] ^ is_below.replicate(len(place))),
                magnitude.eq(port.data),
                weight.eq(Cat(magnitude ^ below_late.replicate(magnitude_bits), below_late)),
                below.eq(is_below),
                below_late.eq(below),
            ]
        return m


class TrellisGenerator(wiring.Component):
    """A word of trellis bits in, its eight weights out: takes the place of a generator.

    One mix and one table serve all formats of one code, whatever their fresh bits. The latency is
    ``GENERATOR_LATENCY`` cycles and the throughput a word per cycle. ::

        stream:  | the L bits before the word | the word: fresh bits of eight weights |
                   oldest                                                      newest
                    └──── L bits: window of the first weight ──┘

    Parameters
    ----------
    formats
        Trellis formats of one code: one length of windows, one mix, one table.

    Raises
    ------
    InputError
        If the formats' codes differ, or as ``OddTable``.

    Members
    -------
    word, first, valid, rate : In
        As in ``FedRegister``.
    weights : Out(signed(8)).array(8)
        Of the word ``GENERATOR_LATENCY`` cycles ago; they mean nothing where there was none.
    """

    def __init__(self, *formats: TrellisFormat) -> None:
        if len({trellis_format.code for trellis_format in formats}) > 1:
            raise InputError(f"{', '.join(f.name for f in formats)} have different codes: each takes its own generator")
        self._formats = formats
        self._register = FedRegister(formats)
        self._table = OddTable(formats[0].table, WORD_WEIGHTS)
        ports = {name: self._register.signature.members[name] for name in ("word", "first", "valid", "rate")}
        super().__init__({**ports, "weights": self._table.signature.members["weights"]})

    def elaborate(self, platform: object) -> Module:
        """Cycle 1 register, 2 mix, 2 to 4 table."""
        m = Module()
        m.submodules.register = register = self._register
        m.submodules.table = table = self._table
        m.d.comb += [getattr(register, name).eq(getattr(self, name)) for name in ("word", "first", "valid", "rate")]
        mixed = [self._mix(m, register.stream, mask) for mask in self._formats[0].masks]
        for weight in range(WORD_WEIGHTS):
            indices = [Cat(bits[self._begin(f, weight)] for bits in mixed) for f in self._formats]
            m.d.comb += [
                table.indices[weight].eq(choose(self.rate, indices)),
                self.weights[weight].eq(table.weights[weight]),
            ]
        return m

    def _mix(self, m: Module, stream: Value, mask: int) -> Value:
        """One index bit of every window, at the place where the window begins in the stream."""
        length = self._formats[0].window_bits
        places = [length - 1 - bit for bit in range(length) if mask >> bit & 1]
        mixed = Signal(len(stream) - length + 1, name=f"mixed_{mask:x}")
        m.d.comb += mixed.eq(reduce(xor, [stream >> place for place in places]))
        return mixed

    @staticmethod
    def _begin(trellis_format: TrellisFormat, weight: int) -> int:
        """Where a weight's window begins in the stream: it ends with the weight's own bits."""
        return sum(trellis_format.fresh(earlier) for earlier in range(weight + 1))
