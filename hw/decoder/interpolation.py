"""Functions read from tables, with straight lines between two values."""

from collections.abc import Sequence
from itertools import pairwise

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import FACTOR_BITS, Table

STEP = signed(12)
"""Difference of two neighbours in a table."""

_LINE = data.StructLayout({"value": FACTOR_BITS, "step": STEP})


class Interpolation(wiring.Component):
    """``golden_models.integer_decoder.functions.interpolate``, one argument a cycle, four cycles late.

    Parameters
    ----------
    tables
        Of the same size and fraction, each of a power of two intervals.

    Members
    -------
    advance : In(1)
        Nothing moves without it.
    table : In(range(len(tables)))
        Which. With ``argument``.
    argument : In(argument_bits)
    factor : Out(17)
    """

    LATENCY = 4

    def __init__(self, tables: Sequence[Table]) -> None:
        self._tables = tables
        self.argument_bits = (tables[0].end - 1).bit_length()
        super().__init__(
            {
                "advance": In(1),
                "table": In(range(len(tables))),
                "argument": In(self.argument_bits),
                "factor": Out(FACTOR_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Look up, multiply by the fraction, add; a register behind the memory, which answers late in the cycle."""
        m = Module()
        pairs = [pair for table in self._tables for pair in pairwise(table.values)]
        lines = [{"value": value, "step": after - value} for value, after in pairs]
        # a memory whose depth is a power of two is mapped without logic around it
        lines += [{"value": 0, "step": 0}] * ((1 << (len(lines) - 1).bit_length()) - len(lines))
        m.submodules.memory = memory = Memory(shape=_LINE, depth=len(lines), init=lines)
        read, fraction_bits = memory.read_port(), self._tables[0].fraction_bits
        line, fractions = Signal(_LINE), [Signal(fraction_bits, name=f"fraction_{stage}") for stage in range(2)]
        value = Signal(FACTOR_BITS)
        product = Signal(signed(STEP.width + fraction_bits))
        m.d.comb += [read.addr.eq(Cat(self.argument[fraction_bits:], self.table)), read.en.eq(self.advance)]
        with m.If(self.advance):
            m.d.sync += [
                line.eq(read.data),
                fractions[0].eq(self.argument[:fraction_bits]),
                fractions[1].eq(fractions[0]),
                product.eq(line.step * fractions[1]),
                value.eq(line.value),
                self.factor.eq(value + ((product + (1 << fraction_bits - 1)) >> fraction_bits)),
            ]
        return m
