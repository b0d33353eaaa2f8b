"""The accelerator: engine, token router, or both, joined by a requantiser."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, connect, flipped

from formats.engine import EngineParameters
from formats.errors import InputError
from hw.engine.engine import Engine
from hw.engine.sequencer import command_layout
from hw.requantiser import SCALE_BITS, Requantiser, routing_layout
from hw.router.parameters import UnitParameters
from hw.router.router import Router


def joint_command_layout(parameters: EngineParameters) -> data.StructLayout:
    """A product's command where there is a router.

    ``product``: the engine's own command. ``routed``: its results become keys, and the data of the
    router's next command; it has one vector then. ``routing``: how they become keys.
    """
    return data.StructLayout(
        {"product": command_layout(parameters), "routing": routing_layout(parameters), "routed": 1}
    )


class Accelerator(wiring.Component):
    """Engine and router side by side, each with its own streams, each as it is alone.

    Where both are present, a product may be routed: its results leave for the router, in order, a
    key per row, as the packet of the router's next command (LOAD or FIRST of as many keys as the
    matrix has rows). The host then gets that command's answer and no results. Row scales
    come as a stream of their own, as they lie beside the weights in memory.

    The host has no data of other commands on offer while a product is routed; it waits for their
    answers first.

    Parameters
    ----------
    engine, router
        Sizes of the units; None leaves one out.

    Members
    -------
    i_command : In(stream.Signature(joint_command_layout(engine))), ``command_layout`` without a router
    i_data, o_results : as ``Engine``
    i_scales : In(stream.Signature(16))
        bfloat16 scales of a routed product, row by row; only where both units are present.
    i_router_command, i_router_data, o_router_answer : as ``Router``'s i_cmd, i_data, o_rsp

    Raises
    ------
    InputError
        If both units are left out.
    """

    def __init__(self, engine: EngineParameters | None, router: UnitParameters | None) -> None:
        if engine is None and router is None:
            raise InputError("an accelerator is an engine, a router or both; give the parameters of one")
        self._engine = Engine(engine) if engine else None
        self._router = Router(router) if router else None
        self._requantiser = Requantiser(engine, router) if engine and router else None
        members: dict[str, wiring.Member] = {}
        if self._engine:
            members |= self._engine.signature.members
        if self._router:
            unit = self._router.signature.members
            members |= {
                "i_router_command": unit["i_cmd"],
                "i_router_data": unit["i_data"],
                "o_router_answer": unit["o_rsp"],
            }
        if engine and self._requantiser:
            members["i_command"] = In(stream.Signature(joint_command_layout(engine)))
            members["i_scales"] = In(stream.Signature(SCALE_BITS))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        """The units, and the way from one to the other."""
        m = Module()
        engine, router, requantiser = self._engine, self._router, self._requantiser
        if engine:
            m.submodules.engine = engine
            connect(m, flipped(self.i_data), engine.i_data)
        if router:
            m.submodules.router = router
            connect(m, flipped(self.i_router_command), router.i_cmd)
            connect(m, router.o_rsp, flipped(self.o_router_answer))
        if engine and router and requantiser:
            m.submodules.requantiser = requantiser
            connect(m, flipped(self.i_scales), requantiser.i_scales)
            self._route(m, engine, router, requantiser)
        elif engine:
            connect(m, flipped(self.i_command), engine.i_command)
            connect(m, engine.o_results, flipped(self.o_results))
        elif router:
            connect(m, flipped(self.i_router_data), router.i_data)
        return m

    def _route(self, m: Module, engine: Engine, router: Router, requantiser: Requantiser) -> None:
        """Results of a routed product to the router, all others to the host.

        The engine takes a command when every result of the last has left, so one register tells
        whose results these are.
        """
        command = self.i_command.payload
        taken, routed = Signal(), Signal()
        m.d.comb += [
            taken.eq(self.i_command.valid & self.i_command.ready),
            engine.i_command.payload.eq(command.product),
            engine.i_command.valid.eq(self.i_command.valid),
            self.i_command.ready.eq(engine.i_command.ready),
            requantiser.routing.eq(command.routing),
            requantiser.start.eq(taken & command.routed),
            requantiser.i_results.payload.eq(engine.o_results.payload),
            requantiser.i_results.valid.eq(engine.o_results.valid & routed),
            self.o_results.payload.eq(engine.o_results.payload),
            self.o_results.valid.eq(engine.o_results.valid & ~routed),
            engine.o_results.ready.eq(Mux(routed, requantiser.i_results.ready, self.o_results.ready)),
        ]
        with m.If(taken):
            m.d.sync += routed.eq(command.routed)
        source = Mux(requantiser.busy, requantiser.o.payload.as_value(), self.i_router_data.payload.as_value())
        m.d.comb += [
            router.i_data.payload.as_value().eq(source),
            router.i_data.valid.eq(Mux(requantiser.busy, requantiser.o.valid, self.i_router_data.valid)),
            requantiser.o.ready.eq(router.i_data.ready),
            self.i_router_data.ready.eq(router.i_data.ready & ~requantiser.busy),
        ]
