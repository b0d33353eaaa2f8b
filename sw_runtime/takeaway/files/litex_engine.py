"""The engine as a LiteX module: commands through a register, beats and results as streams.

In a SoC::

    self.engine = SeedloomEngine(platform)
    self.comb += [dma_reader.source.connect(self.engine.sink), self.engine.source.connect(dma_writer.sink)]

A write to the register ``command`` starts a product; ``waiting`` is 1 until the engine has taken it.
"""

import json
from pathlib import Path
from typing import Any

from litex.gen import ClockSignal, If, Instance, LiteXModule, ResetSignal, Signal
from litex.soc.interconnect import stream
from litex.soc.interconnect.csr import CSRField, CSRStatus, CSRStorage

FOLDER = Path(__file__).resolve().parent
SIZES = json.loads((FOLDER / "engine.json").read_text(encoding="utf-8"))


class SeedloomEngine(LiteXModule):
    """One engine.

    ``sink`` takes beats of the memory port, ``source`` gives beats of results.
    """

    def __init__(self, platform: Any) -> None:
        self.sink = sink = stream.Endpoint([("data", SIZES["port_bits"])])
        self.source = source = stream.Endpoint([("data", SIZES["result_bits"])])
        fields = [CSRField(name, size=bits) for name, bits in SIZES["command"]] or [CSRField("start", size=1)]
        self.command = CSRStorage(fields=fields, description="A product; see the fields in README.md.")
        self.waiting = CSRStatus(1, description="The command is not taken yet.")
        valid, ready = Signal(), Signal()
        self.sync += If(self.command.re, valid.eq(1)).Elif(ready, valid.eq(0))
        self.comb += self.waiting.status.eq(valid)
        payload = {"i_i_command__payload": self.command.storage} if SIZES["command"] else {}
        self.specials += Instance(
            "seedloom_engine",
            i_clk=ClockSignal("sys"),
            i_rst=ResetSignal("sys"),
            i_i_command__valid=valid,
            o_i_command__ready=ready,
            i_i_data__payload=sink.data,
            i_i_data__valid=sink.valid,
            o_i_data__ready=sink.ready,
            o_o_results__payload=source.data,
            o_o_results__valid=source.valid,
            i_o_results__ready=source.ready,
            **payload,
        )
        platform.add_source(str(FOLDER / "seedloom_engine.v"))
