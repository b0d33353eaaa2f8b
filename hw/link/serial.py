"""The link on a serial line: a UART and the link behind it."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.link.link import Link, LinkParameters
from hw.link.uart import UartReceiver, UartTransmitter
from hw.request_words import WORDS


class SerialLink(wiring.Component):
    """Carries requests to a core and its responses back, over two wires.

    Parameters
    ----------
    parameters
        Of the link.
    divisor
        Cycles of a bit: the clock over the baud rate.

    Members
    -------
    rx : In(1)
    tx : Out(1)
    o_request : Out(WORDS)
    i_response : In(WORDS)

    Raises
    ------
    InputError
        If a bit has fewer than 4 cycles.
    """

    def __init__(self, parameters: LinkParameters, divisor: int) -> None:
        self._link = Link(parameters)
        self._receiver, self._transmitter = UartReceiver(divisor), UartTransmitter(divisor)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "o_request": Out(WORDS), "i_response": In(WORDS)})

    def elaborate(self, platform: object) -> Module:
        """Join both."""
        m = Module()
        m.submodules.receiver, m.submodules.transmitter, m.submodules.link = (
            self._receiver,
            self._transmitter,
            self._link,
        )
        m.d.comb += [self._receiver.rx.eq(self.rx), self.tx.eq(self._transmitter.tx)]
        connect(m, self._receiver.o, self._link.i)
        connect(m, self._link.o, self._transmitter.i)
        connect(m, self._link.o_request, flipped(self.o_request))
        connect(m, flipped(self.i_response), self._link.i_response)
        return m
