"""Key memory: a row of ``lanes`` keys per cycle."""

from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from hw.router.frame.ports import KeyRead, KeyWrite, key_row
from hw.router.parameters import UnitParameters


class KeyMemory(wiring.Component):
    """As many keys as the parameters say, in one bank a lane, all at the same row.

    Reading takes one cycle. A row written in the cycle in which it is read shows its old keys.
    Starts with keys of 0.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    read : In(KeyRead)
    write : In(KeyWrite)
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__({"read": In(KeyRead(parameters)), "write": In(KeyWrite(parameters))})

    def elaborate(self, platform: object) -> Module:
        """One memory with an enable a lane."""
        m = Module()
        m.submodules.banks = banks = memory.Memory(
            shape=key_row(self._parameters), depth=self._parameters.rows, init=[]
        )
        read = banks.read_port()
        write = banks.write_port(granularity=1)
        m.d.comb += [
            read.addr.eq(self.read.row),
            self.read.keys.eq(read.data),
            write.addr.eq(self.write.row),
            write.data.eq(self.write.keys),
            write.en.eq(self.write.enable),
        ]
        return m
