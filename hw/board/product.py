"""Product: words out of the memory into the engine, results back into the memory."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from formats.board_requests import Status
from formats.engine import RESULT_BITS
from hw.board.collector import MOST_ARGUMENTS
from hw.board.parameters import BoardParameters
from hw.board.plan import ProductPlan
from hw.engine.engine import Engine
from hw.memory.port import address_bits
from hw.memory.words import reading_layout


class Product(wiring.Component):
    """Does a PRODUCT: plans it, reads what the engine takes, and writes what it gives.

    Parameters
    ----------
    parameters
        Of the board.

    Members
    -------
    start, arguments : In(1), In(ArrayLayout(32, MOST_ARGUMENTS))
        Arguments of a PRODUCT, stable until ``done``.
    done, status : Out(1), Out(8)
        The product has ended, all results are in the memory.
    cycles, port_busy : Out(32), Out(32)
        From ``start`` to ``done``; of these, those in which the engine took a word.
    active, took : Out(1), Out(1)
        Each of these cycles as it passes.
    reading, i : Out(stream.Signature(reading_layout(...))), In(stream.Signature(port_bits))
        To the memory, and what it reads.
    write_start, write_address, write_flush, write_empty, o
        To the memory's writer.
    """

    def __init__(self, parameters: BoardParameters) -> None:
        self._parameters = parameters
        engine, chip = parameters.engine, parameters.chip
        super().__init__(
            {
                "start": In(1),
                "arguments": In(data.ArrayLayout(32, MOST_ARGUMENTS)),
                "done": Out(1),
                "status": Out(8),
                "cycles": Out(32),
                "port_busy": Out(32),
                "active": Out(1),
                "took": Out(1),
                "reading": Out(stream.Signature(reading_layout(chip, engine.port_bytes, parameters.word_bits))),
                "i": In(stream.Signature(engine.port_bits)),
                "write_start": Out(1),
                "write_address": Out(address_bits(chip, engine.port_bytes)),
                "write_flush": Out(1),
                "write_empty": In(1),
                "o": Out(stream.Signature(engine.port_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Plan, command, two readings, and results until none is left."""
        m = Module()
        m.submodules.plan = plan = ProductPlan(self._parameters)
        m.submodules.engine = engine = Engine(self._parameters.engine)
        left = Signal.like(plan.results)
        m.d.comb += [
            plan.start.eq(self.start),
            plan.arguments.eq(self.arguments),
            self.status.eq(plan.status),
            self.write_address.eq(plan.results_address),
            engine.i_command.payload.eq(plan.command),
            engine.i_data.valid.eq(self.i.valid),
            engine.i_data.payload.eq(self.i.payload),
            self.i.ready.eq(engine.i_data.ready),
        ]
        with m.FSM() as states:
            with m.State("IDLE"), m.If(self.start):
                m.next = "PLAN"
            with m.State("PLAN"), m.If(plan.done):
                m.d.sync += left.eq(plan.results)
                m.next = "COMMAND"
                with m.If(plan.status != Status.OK):
                    m.next = "DONE"
            with m.State("COMMAND"):
                m.d.comb += [self.write_start.eq(1), engine.i_command.valid.eq(1)]
                with m.If(engine.i_command.ready):
                    m.next = "ACTIVATIONS"
            for state, what, following in (
                ("ACTIVATIONS", plan.activations, "WEIGHTS"),
                ("WEIGHTS", plan.weights, "RESULTS"),
            ):
                with m.State(state):
                    m.d.comb += [self.reading.valid.eq(1), self.reading.payload.eq(what)]
                    with m.If(self.reading.ready):
                        m.next = following
            with m.State("RESULTS"), m.If(left == 0):
                m.next = "FLUSH"
            with m.State("FLUSH"):
                m.d.comb += self.write_flush.eq(1)
                with m.If(self.write_empty):
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"
        m.d.comb += self.active.eq(~states.ongoing("IDLE") | self.start)
        self._write(m, engine, left)
        self._count(m)
        return m

    def _write(self, m: Module, engine: Engine, left: Signal) -> None:
        """Each result as two words, the lower first."""
        upper = Signal()
        m.d.comb += [
            self.o.valid.eq(engine.o_results.valid),
            self.o.payload.eq(engine.o_results.payload.as_value().word_select(upper, RESULT_BITS // 2)),
            engine.o_results.ready.eq(self.o.ready & upper),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [upper.eq(~upper), left.eq(left - 1)]

    def _count(self, m: Module) -> None:
        m.d.comb += self.took.eq(self.i.valid & self.i.ready)
        with m.If(self.start):
            m.d.sync += [self.cycles.eq(1), self.port_busy.eq(0)]
        with m.Elif(self.active):
            m.d.sync += [self.cycles.eq(self.cycles + 1), self.port_busy.eq(self.port_busy + self.took)]
