"""Claims about trellis weights: what the fed register holds, and what the table gives."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed

from formats.trellis import WEIGHT_BITS, TrellisFormat
from hw.engine.trellis import FedRegister, OddTable
from hw.mux import choose
from synth.claims import Claim, drive, free_inputs


class RegisterHoldsTheLatestBits(Claim):
    """Below a word lie the L bits before it in its row, and zeros before the row, however long it is.

    Compared with a register that is fed bit by bit.

    Parameters
    ----------
    formats
        Trellis formats of one length of windows; a row keeps to one of them.
    """

    def __init__(self, formats: Sequence[TrellisFormat]) -> None:
        self._formats = formats
        self._register = FedRegister(formats)
        super().__init__(free_inputs(self._register))

    def elaborate(self, platform: object) -> Module:
        """Shift the word's bits in, the oldest first."""
        m = Module()
        m.submodules.register = register = self._register
        drive(m, register, self)
        length = self._formats[0].window_bits
        began, rate = Signal(), Signal.like(register.rate)
        latest, before, word = Signal(length), Signal(length), Signal.like(register.word)
        m.d.sync += [began.eq(1), rate.eq(register.rate)]
        begin: Value = Mux(register.first, 0, latest)[:length]
        with m.If(register.valid):
            fed = [self._fed(begin, register.word, trellis_format) for trellis_format in self._formats]
            m.d.sync += [latest.eq(choose(register.rate, fed)), before.eq(begin), word.eq(register.word)]
        ends = [register.stream[f.word_bits :][:length] for f in self._formats]
        m.d.comb += [
            self.assumed.eq(~began | (register.rate == rate)),
            self.holds.eq((register.stream == Cat(before, word)) & (latest == choose(rate, ends))),
        ]
        return m

    @staticmethod
    def _fed(latest: Value, word: Value, trellis_format: TrellisFormat) -> Value:
        for place in range(trellis_format.word_bits):
            latest = Cat(latest[1:], word[place])
        return latest


class LookupGivesTheTablesWeight(Claim):
    """Three cycles after an index its weight is the table's, of every index.

    Parameters
    ----------
    trellis_format
        Whose table.
    """

    def __init__(self, trellis_format: TrellisFormat) -> None:
        self._whole = trellis_format.table
        self._table = OddTable(trellis_format.table, ports=1)
        super().__init__(free_inputs(self._table))

    def elaborate(self, platform: object) -> Module:
        """Look up in the whole table and wait as long."""
        m = Module()
        m.submodules.table = table = self._table
        drive(m, table, self)
        expected: Value = Array(Const(weight, signed(WEIGHT_BITS)) for weight in self._whole)[table.indices[0]]
        filled: Value = Const(1)
        for _ in range(3):
            later, later_filled = Signal(signed(WEIGHT_BITS)), Signal()
            m.d.sync += [later.eq(expected), later_filled.eq(filled)]
            expected, filled = later, later_filled
        m.d.comb += self.holds.eq(~filled | (table.weights[0] == expected))
        return m
