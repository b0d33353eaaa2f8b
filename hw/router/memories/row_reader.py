"""Row reader: walks the rows of a problem and fetches up to four bitmaps for each."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.router.frame.ports import BitmapRead
from hw.router.parameters import UnitParameters

OPERANDS = 4
"""Bitmaps a row may need: GATHER's a, b, c and old dst."""


class RowReader(wiring.Component):
    """Reads the named bitmaps of row 0, 1, …, one bitmap a cycle.

    A row takes as many cycles as bitmaps are named, and one if none is. It is *issued* in the cycle
    of its last read; the bits are there in the cycle after. The first read happens in the cycle
    after ``start``.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    start : In(1)
        Begin with row 0; only while not ``busy``.
    rows : In(range(rows + 1))
        Rows to read, stable until the end; with 0 nothing happens.
    named : In(4)
        Bitmaps to read, operand 0 lowest.
    slots : In(8).array(4)
    proceed : In(1)
        Without it nothing is read in this cycle.
    busy : Out(1)
        Rows are left to issue.
    row, issue, fetching : Out
        The row being read; whether it is issued in this cycle if ``proceed``, and is so.
    valid, o_row, operands : Out
        The row issued in the cycle before: its number and its bits. A bitmap that is not named reads
        as zeros.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._lanes = parameters.lanes
        rows = range(parameters.rows)
        super().__init__(
            {
                "start": In(1),
                "rows": In(range(parameters.rows + 1)),
                "named": In(OPERANDS),
                "slots": In(8).array(OPERANDS),
                "proceed": In(1),
                "busy": Out(1),
                "row": Out(rows),
                "issue": Out(1),
                "fetching": Out(1),
                "bitmap": Out(BitmapRead(parameters)),
                "valid": Out(1),
                "o_row": Out(rows),
                "operands": Out(parameters.lanes).array(OPERANDS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """``waiting`` holds the bitmaps of this row that are still to be read."""
        m = Module()
        waiting = Signal(OPERANDS)
        chosen = Signal(OPERANDS)  # one-hot: the bitmap read in this cycle
        left = Signal(OPERANDS)
        last_row = Signal()
        m.d.comb += [
            chosen.eq(waiting & -waiting),
            left.eq(waiting & ~chosen),
            last_row.eq(self.row + 1 == self.rows),
            self.issue.eq(self.busy & (left == 0)),
            self.fetching.eq(self.issue & self.proceed),
        ]
        with m.If(self.start):
            m.d.sync += [self.busy.eq(self.rows != 0), self.row.eq(0), waiting.eq(self.named)]
        with m.Elif(self.busy & self.proceed):
            m.d.sync += waiting.eq(Mux(self.issue, self.named, left))
            with m.If(self.issue):
                m.d.sync += [self.row.eq(self.row + 1), self.busy.eq(~last_row)]
        m.d.sync += [self.valid.eq(self.fetching), self.o_row.eq(self.row)]
        slot = 0
        for operand in range(OPERANDS):
            slot |= Mux(self.busy & chosen[operand], self.slots[operand], 0)
        m.d.comb += [self.bitmap.slot.eq(slot), self.bitmap.row.eq(Mux(self.busy, self.row, 0))]
        self._capture(m, chosen)
        return m

    def _capture(self, m: Module, chosen: Signal) -> None:
        """Keep the bits of a row's earlier reads until those of its last one arrive."""
        arriving = Signal(OPERANDS)
        m.d.sync += arriving.eq(chosen)
        for operand in range(OPERANDS):
            held = Signal(self._lanes, name=f"held_{operand}")
            current = Signal(self._lanes, name=f"current_{operand}")
            m.d.comb += [
                current.eq(Mux(arriving[operand], self.bitmap.bits, held)),
                self.operands[operand].eq(Mux(self.named[operand], current, 0)),
            ]
            m.d.sync += held.eq(current)
