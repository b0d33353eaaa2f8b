"""A memory of several controllers, one of which is on the pins, with all that reads from it up to an engine."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from formats.engine import EngineParameters
from hw.engine.engine import Engine
from hw.memory.chips import AS4C32M16SB_7, W9825G6KH_6, Sdram
from hw.memory.port import MemoryPort, run_layout
from hw.memory.sdram import SdramController, SdramPins
from hw.memory.words import WordReader, reading_layout

LARGEST = AS4C32M16SB_7
CONFIGURATIONS = (Sdram(W9825G6KH_6, 100, 2), Sdram(AS4C32M16SB_7, 100, 2), Sdram(AS4C32M16SB_7, 133, 3))
"""Chip, clock in MHz and CAS latency of each controller; ``controller`` numbers them."""

PORT_BYTES = 4
WORD_BITS = (32, 24, 16)

PARAMETERS = EngineParameters(
    ("scaled-4bit", "scaled-3bit", "trellis-2bit"), port_bytes=PORT_BYTES, maximum_columns=2048
)
"""One lane for words of 32 and 24 bits, two for those of 16."""

BEATS, WORDS, PRODUCTS = range(3)
"""Where what is read goes: to ``o`` beat by beat or word by word, or into the engine."""


class MemorySubject(wiring.Component):
    """Controllers, port, word reader and, if it has parameters, an engine.

    Parameters
    ----------
    parameters
        Of the engine.
    """

    def __init__(self, parameters: EngineParameters | None) -> None:
        self._engine = Engine(parameters) if parameters else None
        engine = self._engine.signature.members if self._engine else {}
        super().__init__(
            {
                "controller": In(range(len(CONFIGURATIONS))),
                "kind": In(range(3)),
                "pins": Out(SdramPins(LARGEST)),
                "i_run": In(stream.Signature(run_layout(LARGEST, PORT_BYTES))),
                "i": In(stream.Signature(8 * PORT_BYTES)),
                "i_reading": In(stream.Signature(reading_layout(LARGEST, PORT_BYTES, WORD_BITS))),
                "o": Out(stream.Signature(max(WORD_BITS))),
                **{name: member for name, member in engine.items() if name != "i_data"},
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Wires and switches."""
        m = Module()
        m.submodules.port = port = MemoryPort(LARGEST, PORT_BYTES)
        m.submodules.reader = reader = WordReader(LARGEST, PORT_BYTES, WORD_BITS)
        self._choose_controller(m, port)
        connect(m, flipped(self.i), port.i)
        connect(m, flipped(self.i_reading), reader.i_reading)
        with m.If(self.kind == BEATS):
            connect_by_hand(m, self.i_run, port.i_run)
            connect_by_hand(m, port.o, self.o)
        with m.Else():
            # only the subject's own runs write
            connect_by_hand(m, reader.run, port.i_run)
            connect_by_hand(m, port.o, reader.i)
        with m.If(self.kind == WORDS):
            connect_by_hand(m, reader.o, self.o)
        if self._engine:
            m.submodules.engine = engine = self._engine
            connect(m, flipped(self.i_command), engine.i_command)
            connect(m, engine.o_results, flipped(self.o_results))
            with m.If(self.kind == PRODUCTS):
                connect_by_hand(m, reader.o, engine.i_data)
        return m

    def _choose_controller(self, m: Module, port: MemoryPort) -> None:
        for number, configuration in enumerate(CONFIGURATIONS):
            m.submodules[f"controller_{number}"] = controller = SdramController(configuration)
            with m.If(self.controller == number):
                for name in ("cke", "cs", "ras", "cas", "we", "ba", "a", "dqm", "dq_o", "dq_oe"):
                    m.d.comb += getattr(self.pins, name).eq(getattr(controller.pins, name))
                m.d.comb += [
                    controller.pins.dq_i.eq(self.pins.dq_i),
                    controller.i.valid.eq(port.request.valid),
                    port.request.ready.eq(controller.i.ready),
                    controller.i.payload.address.eq(port.request.payload.address),
                    controller.i.payload.write.eq(port.request.payload.write),
                    controller.i.payload.data.eq(port.request.payload.data),
                    port.read_valid.eq(controller.read_valid),
                    port.read_data.eq(controller.read_data),
                ]


def connect_by_hand(m: Module, source: stream.Interface, sink: stream.Interface) -> None:
    """Connect streams where only one of several connections holds."""
    m.d.comb += [sink.valid.eq(source.valid), source.ready.eq(sink.ready), sink.payload.eq(source.payload)]
