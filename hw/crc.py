"""CRC-32 as zlib's, of some bits per cycle."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

CRC_BITS = CRC32_ISO_HDLC.crc_width
_POLYNOMIAL = int(f"{CRC32_ISO_HDLC.polynomial:0{CRC_BITS}b}"[::-1], 2)
_RESIDUE = CRC32_ISO_HDLC(data_width=8).residue()


def register_after(bits: int) -> list[int]:
    """What each bit of the register is after so many bits of 0: a mask of the bits whose XOR it is."""
    register = [1 << place for place in range(CRC_BITS)]
    for _ in range(bits):
        fed, *others = register
        register = [mask ^ fed * (_POLYNOMIAL >> place & 1) for place, mask in enumerate([*others, 0])]
    return register


class Crc32(wiring.Component):
    """CRC-32 of a stream of bits, of bytes the lowest bit first.

    The bits that come are added to the register's lowest ones before anything else. So each bit of the register
    follows from half as many others as when both are kept apart.

    Parameters
    ----------
    bits
        Taken per cycle, 1 to 32.

    Members
    -------
    start : In(1)
        Forget all bits; nothing is taken in this cycle.
    valid, data : In(1), In(bits)
    gives : In(1)
        Drop the lowest bits of ``crc``, whose others move down, so that it leaves in parts; nothing is taken.
    crc : Out(32)
        Of what was taken until the cycle before.
    matches : Out(1)
        The last 32 bits were the CRC of those before.
    """

    def __init__(self, bits: int) -> None:
        self._bits = bits
        super().__init__(
            {
                "start": In(1),
                "valid": In(1),
                "data": In(bits),
                "gives": In(1),
                "crc": Out(CRC_BITS),
                "matches": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A register whose lowest bits hold the highest powers of the polynomial."""
        m = Module()
        ones = (1 << CRC_BITS) - 1
        rest, added = Signal(CRC_BITS, init=ones), Signal(self._bits)
        m.d.comb += [
            added.eq((rest[: self._bits] ^ self.data) & ~self.gives.replicate(self._bits)),
            self.crc.eq(~rest),
            self.matches.eq(rest == _RESIDUE),
        ]
        with m.If(self.start):
            m.d.sync += rest.eq(ones)
        with m.Elif(self.valid | self.gives):
            whole = Cat(added, rest[self._bits :])
            m.d.sync += rest.eq(Cat((whole & mask).xor() for mask in register_after(self._bits)))
        return m
