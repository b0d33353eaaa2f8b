"""A whole board but for its pins' names: a serial line on one side, a memory on the other."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from hw.board.board import Board
from hw.board.parameters import BoardParameters
from hw.link.link import LinkParameters
from hw.link.serial import SerialLink
from hw.memory.face import connect_outside, outside
from hw.storage.card import CardPins


class SerialBoard(wiring.Component):
    """A board that gets its requests over a serial line.

    Parameters
    ----------
    parameters
        Of the board; the link's welcome names the same build.
    controller
        Of its memory, as of ``Board``.
    divisor
        Cycles of a bit on the line: the clock over the baud rate.
    window
        Requests that may wait for their responses, as of ``LinkParameters``.

    Members
    -------
    rx : In(1)
    tx : Out(1)
    busy : Out(1)
        A request is being done, or a card loaded; for a lamp, and for a simulator that would stand still.
    pins, or others
        Of the controller.
    card : Out(CardPins())
        Of a board with a card slot.

    Raises
    ------
    InputError
        If a bit has fewer than 4 cycles, or there is no such window.
    """

    def __init__(
        self,
        parameters: BoardParameters,
        controller: wiring.Component,
        divisor: int,
        window: int = LinkParameters.window,
    ) -> None:
        self._board, self._outside = Board(parameters, controller), outside(controller)
        self._slot = {"card": Out(CardPins())} if parameters.card else {}
        self._link = SerialLink(LinkParameters(window, build=parameters.build), divisor)
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "busy": Out(1),
                **self._outside,
                **self._slot,
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Join both."""
        m = Module()
        m.submodules.board, m.submodules.link = board, link = self._board, self._link
        m.d.comb += [link.rx.eq(self.rx), self.tx.eq(link.tx)]
        connect(m, link.o_request, board.i)
        connect(m, board.o, link.i_response)
        connect_outside(m, board, self, (*self._outside, *self._slot))
        answered, requested = Signal(), Signal()
        m.d.comb += answered.eq(board.o.valid & board.o.ready & board.o.payload.last)
        with m.If(link.o_request.valid | answered):
            m.d.sync += requested.eq(~answered)
        m.d.comb += self.busy.eq(requested | board.loading if self._slot else requested)
        return m
