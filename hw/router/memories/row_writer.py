"""Row writer: stores, counts and answers a bitmap row by row."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.router.arithmetic.popcount import popcount
from hw.router.frame.ports import BitmapWrite, RowBits, Words
from hw.router.parameters import UnitParameters


class RowWriter(wiring.Component):
    """Takes the rows of a result in order, one per cycle at most.

    ``stored`` is written to ``slot`` at once, ``bits`` are counted, and 16 of them make a word of
    the answer in the cycle after the row that completes it. ``done`` and the count follow two
    cycles after the last row.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    start : In(1)
        Forget the count; row 0 comes next.
    rows : In(range(rows + 1))
        Rows of the result, stable until the end.
    slot : In(8)
    store, answer : In(1)
        Whether to write the bitmap; whether to emit its words.
    result : In(RowBits)
    bitmap : Out(BitmapWrite)
    words : Out(Words)
    done : Out(1)
        Every row is stored, counted and answered.
    count : Out(range(keys + 1))
        Ones among ``bits``.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "start": In(1),
                "rows": In(range(parameters.rows + 1)),
                "slot": In(8),
                "store": In(1),
                "answer": In(1),
                "result": In(RowBits(parameters)),
                "bitmap": Out(BitmapWrite(parameters)),
                "words": Out(Words()),
                "done": Out(1),
                "count": Out(range(parameters.keys + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Row counter, ones, words."""
        m = Module()
        result, per_word = self.result, self._parameters.rows_per_word
        row = Signal.like(self.rows)
        counting = Signal()
        ones = Signal(range(self._parameters.lanes + 1))
        word = Signal(len(self.words.word))
        complete = Signal()
        m.d.comb += [
            self.bitmap.enable.eq(result.valid & self.store),
            self.bitmap.slot.eq(self.slot),
            self.bitmap.row.eq(row),
            self.bitmap.bits.eq(result.stored),
            # rows come in multiples of rows_per_word, a power of two
            complete.eq(result.valid & ((row & (per_word - 1)) == per_word - 1)),
            self.words.word.eq(Mux(self.words.valid, word, 0)),
            self.done.eq((row == self.rows) & ~counting),
        ]
        m.d.sync += [
            counting.eq(result.valid),
            ones.eq(popcount(m, "ones", result.bits)),
            self.words.valid.eq(complete & self.answer),
        ]
        with m.If(result.valid):
            m.d.sync += [row.eq(row + 1), word.eq(Cat(word, result.bits)[self._parameters.lanes :])]
        with m.If(counting):
            m.d.sync += self.count.eq(self.count + ones)
        with m.If(self.start):
            m.d.sync += [row.eq(0), self.count.eq(0)]
        return m
