"""Product: words out of the memory into the engine, results back into the memory."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring

from formats.board_requests import Status
from formats.engine import RESULT_BITS
from hw.board.parameters import BoardParameters
from hw.board.plan import ProductPlan
from hw.board.work import count_cycles, work_members
from hw.engine.engine import Engine


class Product(wiring.Component):
    """Does a PRODUCT: plans it, reads what the engine takes, and writes what it gives.

    Parameters
    ----------
    parameters
        Of the board.

    Members
    -------
    As ``work_members`` has them; the arguments are those of a PRODUCT.
    """

    def __init__(self, parameters: BoardParameters) -> None:
        self._parameters = parameters
        super().__init__(work_members(parameters))

    def elaborate(self, platform: object) -> Module:
        """Plan, command, two readings, and results until none is left."""
        m = Module()
        m.submodules.plan = plan = ProductPlan(self._parameters)
        m.submodules.engine = engine = Engine(self._parameters.engine)
        left = Signal(len(plan.results) + 1)  # less one; the highest bit is set when none is left
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
            with m.State("RESULTS"), m.If(left[-1]):
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
        count_cycles(m, self)
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
