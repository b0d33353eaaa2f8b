"""Sequencer: the life of a command, from the decoder to its trailer."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from formats.router.answer import TRAILER_WORDS
from formats.router.descriptor import WORD_BITS, Flag, Opcode, Status
from hw.router.frame.command import STATUS_BITS, command_layout, has, is_operation
from hw.router.parameters import UnitParameters

CYCLE_BITS = 2 * WORD_BITS


class Sequencer(wiring.Component):
    """Runs one command after the other: start, wait for the primitive and the packet's end, answer.

    Every state waits for one thing that is sure to come: a primitive's end, the end of the packet, or
    the host taking its answer. Refused commands and NOP start no primitive, but their packet is
    drained and they are answered like any other.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    i : In(stream.Signature(command_layout(parameters)))
    command : Out(command_layout(parameters))
        The command that runs.
    begin : Out(1)
        First cycle of a command.
    start : Out(1)
        The same, if a primitive is to run.
    follows : Out(1)
        A packet belongs to the command.
    done : In(1)
        The primitive has ended.
    finish : Out(1)
        No more elements are due.
    ended : In(1)
        The packet is over.
    data_status : In(8)
        What was wrong with the packet.
    bad_data : In(1)
        What the primitive says of its elements, with ``done``.
    status : Out(8)
    cycles : Out(32)
        Busy cycles.
    close : Out(1)
        Send the trailer.
    closed : In(1)
        Its last word is on its way.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(command_layout(parameters))),
                "command": Out(command_layout(parameters)),
                "begin": Out(1),
                "start": Out(1),
                "follows": Out(1),
                "done": In(1),
                "finish": Out(1),
                "ended": In(1),
                "data_status": In(STATUS_BITS),
                "bad_data": In(1),
                "status": Out(STATUS_BITS),
                "cycles": Out(CYCLE_BITS),
                "close": Out(1),
                "closed": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Accept, begin, run, answer."""
        m = Module()
        descriptor = self.command.descriptor
        refused = Signal()
        runs = Signal()
        bad_data = Signal()
        running = Signal()
        m.d.comb += [
            refused.eq(self.command.status != Status.OK),
            runs.eq(~refused & ~is_operation(descriptor, Opcode.NOP)),
            self.follows.eq(has(descriptor, Flag.DATA)),
            self.finish.eq(~running | self.done),
        ]
        with m.If(refused):
            m.d.comb += self.status.eq(self.command.status)
        with m.Elif(self.data_status != Status.OK):
            m.d.comb += self.status.eq(self.data_status)
        with m.Elif(bad_data):
            m.d.comb += self.status.eq(Status.BAD_DATA)
        with m.FSM():
            with m.State("ACCEPT"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [self.command.eq(self.i.payload), self.cycles.eq(1)]
                with m.If(self.i.valid):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += [self.begin.eq(1), self.start.eq(runs)]
                m.d.sync += [running.eq(runs), bad_data.eq(0), self.cycles.eq(self.cycles + 1)]
                m.next = "RUN"
            with m.State("RUN"):
                m.d.sync += self.cycles.eq(self.cycles + 1)
                with m.If(self.done):
                    m.d.sync += [running.eq(0), bad_data.eq(self.bad_data)]
                with m.If(self.finish & self.ended):
                    # the trailer's words, and a cycle through the answer's queue
                    m.d.sync += self.cycles.eq(self.cycles + 1 + TRAILER_WORDS + 1)
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += self.close.eq(1)
                with m.If(self.closed):
                    m.next = "ACCEPT"
        return m
