"""A UART of 8 data bits and one stop bit: bytes on a wire each way."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from formats.errors import InputError
from hw.link.layouts import LINE_OCTETS, OCTETS

BITS = 10
"""Bits of a byte on the wire: a start bit, the byte, a stop bit."""


def check_divisor(divisor: int) -> None:
    """Refuse a clock that a receiver cannot find the middle of a bit with.

    Raises
    ------
    InputError
        If a bit has fewer than 4 cycles.
    """
    if divisor < 4:
        raise InputError(f"a bit must last 4 cycles or more, not {divisor!r}: lower the baud rate or raise the clock")


class UartReceiver(wiring.Component):
    """Bytes out of a wire. A byte whose stop bit is missing is given too: the CRC judges.

    Parameters
    ----------
    divisor
        Cycles of a bit.

    Members
    -------
    rx : In(1)
    o : Out(LINE_OCTETS)
    """

    def __init__(self, divisor: int) -> None:
        check_divisor(divisor)
        self._divisor = divisor
        super().__init__({"rx": In(1, init=1), "o": Out(LINE_OCTETS)})

    def elaborate(self, platform: object) -> Module:
        """Wait for a start bit, then look at the middle of each bit."""
        m = Module()
        wire, wait, left = Signal(init=1), Signal(range(2 * self._divisor)), Signal(range(BITS + 1))
        m.submodules.synchronizer = FFSynchronizer(self.rx, wire, init=1)
        m.d.sync += self.o.valid.eq(0)
        with m.If(left == 0):
            m.d.sync += wait.eq(self._divisor + self._divisor // 2 - 2)
            with m.If(~wire):
                m.d.sync += left.eq(BITS - 1)
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Else():
            m.d.sync += [wait.eq(self._divisor - 1), left.eq(left - 1)]
            with m.If(left == 1):
                m.d.sync += self.o.valid.eq(1)
            with m.Else():
                m.d.sync += self.o.payload.eq(Cat(self.o.payload[1:], wire))
        return m


class UartTransmitter(wiring.Component):
    """Bytes onto a wire.

    Parameters
    ----------
    divisor
        Cycles of a bit.

    Members
    -------
    i : In(OCTETS)
    tx : Out(1)
    """

    def __init__(self, divisor: int) -> None:
        check_divisor(divisor)
        self._divisor = divisor
        super().__init__({"i": In(OCTETS), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        """Shift out of a register that ones fill up."""
        m = Module()
        bits, wait, left = Signal(BITS, init=-1), Signal(range(self._divisor)), Signal(range(BITS + 1))
        m.d.comb += [self.i.ready.eq(left == 0), self.tx.eq(bits[0])]
        with m.If(left == 0), m.If(self.i.valid):
            m.d.sync += [bits.eq(Cat(Const(0, 1), self.i.payload, Const(1, 1))), left.eq(BITS)]
            m.d.sync += wait.eq(self._divisor - 1)
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Else():
            m.d.sync += [wait.eq(self._divisor - 1), left.eq(left - 1), bits.eq(Cat(bits[1:], Const(1, 1)))]
        return m
