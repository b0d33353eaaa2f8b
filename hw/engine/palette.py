"""Palettes: weights read from a table by their codes, as AFM stores them (arXiv 2407.21075)."""

from amaranth.hdl import Array, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.engine import GENERATOR_LATENCY
from formats.palette_format import PaletteFormat


class PaletteReader(wiring.Component):
    """A word of codes in, their weights out: takes the place of a generator.

    The latency is ``GENERATOR_LATENCY`` cycles and the throughput one word per cycle.

    Parameters
    ----------
    palette_format
        Codes and tables.

    Members
    -------
    word : In(word_bits)
        Codes, the first lowest.
    table : In(16).array(entries)
        Two's complement; wanted ``LOOK_UP`` cycles after the word.
    weights : Out(signed(16)).array(block_size)
    """

    LOOK_UP = 2
    """Cycles from a word to the table."""

    def __init__(self, palette_format: PaletteFormat) -> None:
        self._format = palette_format
        bits = palette_format.sum_bits
        super().__init__(
            {
                "word": In(palette_format.word_bits),
                "table": In(bits).array(palette_format.table_entries),
                "weights": Out(signed(bits)).array(palette_format.block_size),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Delay the codes, look up, delay the weights."""
        m = Module()
        word: Value = self.word
        for stage in range(self.LOOK_UP):
            delayed = Signal(self._format.word_bits, name=f"word_{stage}")
            m.d.sync += delayed.eq(word)
            word = delayed
        for c, output in enumerate(self.weights):
            weight: Value = Array(self.table)[word.word_select(c, self._format.code_bits)]
            for stage in range(GENERATOR_LATENCY - self.LOOK_UP):
                register = Signal(self._format.sum_bits, name=f"weight_{c}_{stage}")
                m.d.sync += register.eq(weight)
                weight = register
            m.d.comb += output.eq(weight)
        return m


class TableMemory(wiring.Component):
    """The table of the row group that is multiplied, shared by all lanes.

    A beat written at cycle t is seen by the words of cycle t + 1 and later, and by none before, whose
    readers look up ``PaletteReader.LOOK_UP`` cycles after their word.

    Parameters
    ----------
    entries
        Weights of the largest table.
    port_bits
        Bits of a beat.

    Members
    -------
    data : In(port_bits)
        A beat of weights of 16 bits, the first lowest.
    write : In(1)
    beat : In(range(beats))
        Which part of the table the beat is.
    table : Out(16).array(entries)
    """

    def __init__(self, entries: int, port_bits: int) -> None:
        self._bits = PaletteFormat.sum_bits
        self._entries_a_beat = min(entries, port_bits // self._bits)
        self._beats = -(-entries // self._entries_a_beat)
        super().__init__(
            {
                "data": In(port_bits),
                "write": In(1),
                "beat": In(range(self._beats)),
                "table": Out(self._bits).array(entries),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """One register before the table: words that came earlier still meet the old one."""
        m = Module()
        data, beat, write = Signal.like(self.data), Signal.like(self.beat), Signal()
        m.d.sync += [data.eq(self.data), beat.eq(self.beat), write.eq(self.write)]
        for index, entry in enumerate(self.table):
            place, lane = divmod(index, self._entries_a_beat)
            with m.If(write & (beat == place)):
                m.d.sync += entry.eq(data.word_select(lane, self._bits))
        return m
