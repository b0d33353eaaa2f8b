"""Bitmap memory: slots of one bit per token."""

from amaranth.hdl import Cat, Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from hw.router.frame.ports import BitmapRead, BitmapWrite
from hw.router.parameters import UnitParameters


class BitmapMemory(wiring.Component):
    """``slots`` bitmaps in rows of ``lanes`` bits.

    Reading takes one cycle. A row written in the cycle in which it is read shows its old bits.
    Starts with bits of 0.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    read : In(BitmapRead)
    write : In(BitmapWrite)
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__({"read": In(BitmapRead(parameters)), "write": In(BitmapWrite(parameters))})

    def elaborate(self, platform: object) -> Module:
        """A slot fills a power of two of rows, so that an address is slot and row side by side."""
        m = Module()
        depth = self._parameters.slots << len(self.read.row)
        m.submodules.rows = rows = memory.Memory(shape=self._parameters.lanes, depth=depth, init=[])
        read = rows.read_port()
        write = rows.write_port()
        m.d.comb += [
            read.addr.eq(Cat(self.read.row, self.read.slot)),
            self.read.bits.eq(read.data),
            write.addr.eq(Cat(self.write.row, self.write.slot)),
            write.data.eq(self.write.bits),
            write.en.eq(self.write.enable),
        ]
        return m
