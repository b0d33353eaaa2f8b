"""A small link with a core behind it, its bytes as streams."""

from collections.abc import Callable
from pathlib import Path

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.link.layouts import LINE_OCTETS, OCTETS
from hw.link.link import Link, LinkParameters
from sw_runtime.device.simulator.line import build_line
from tests.hw.link import memory_core
from tests.hw.link.memory_core import MemoryCore

PARAMETERS = LinkParameters(window=4, words=128, pause_cycles=4000, build=0xBEEF)
MEMORY_WORDS = 160
QUIET_CYCLES = 3000
"""More than the link and its core ever think, a block of 254 bytes included; less than a pause that ends a packet."""


class LinkedCore(wiring.Component):
    """A link and a memory behind it."""

    i: In(LINE_OCTETS)
    o: Out(OCTETS)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.link = link = Link(PARAMETERS)
        m.submodules.core = core = MemoryCore(MEMORY_WORDS, PARAMETERS.build)
        connect(m, flipped(self.i), link.i)
        connect(m, link.o, flipped(self.o))
        connect(m, link.o_request, core.i_request)
        connect(m, core.o_response, link.i_response)
        return m


def build_subject(verilog: Callable[[], str], more: str = "") -> Path:
    """Compile the subject from its Verilog."""
    core = Path(memory_core.__file__).read_text()
    return build_line(verilog, (PARAMETERS, MEMORY_WORDS, core), "a link and a memory", more)
