"""The CRC of packets, a bit per cycle."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

CRC_BITS = CRC32_ISO_HDLC.crc_width
_POLYNOMIAL = int(f"{CRC32_ISO_HDLC.polynomial:0{CRC_BITS}b}"[::-1], 2)
_RESIDUE = CRC32_ISO_HDLC(data_width=8).residue()


class PacketCrc(wiring.Component):
    """CRC-32 as zlib's, of bytes that come bit by bit, the lowest bit first.

    A line takes longer for a byte than 8 cycles, and the CRC of a whole byte per cycle takes five times the cells.

    Members
    -------
    start : In(1)
        Forget all bits; nothing is taken in this cycle.
    valid, bit : In(1), In(1)
    gives : In(1)
        Drop the lowest bit of ``crc``, whose others move down, so that it leaves bit by bit.
    crc : Out(32)
        Of the bits that were taken until the cycle before.
    matches : Out(1)
        The last 32 of them were the CRC of those before.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "valid": In(1),
                "bit": In(1),
                "gives": In(1),
                "crc": Out(CRC_BITS),
                "matches": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A shift register with feedback, the highest power of the polynomial lowest."""
        m = Module()
        ones = (1 << CRC_BITS) - 1
        rest = Signal(CRC_BITS, init=ones)
        m.d.comb += [self.crc.eq(~rest), self.matches.eq(rest == _RESIDUE)]
        with m.If(self.start):
            m.d.sync += rest.eq(ones)
        with m.Elif(self.valid | self.gives):
            m.d.sync += rest.eq((rest >> 1) ^ Mux((rest[0] ^ self.bit) & ~self.gives, _POLYNOMIAL, 0))
        return m
