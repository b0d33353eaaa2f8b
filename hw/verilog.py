"""Verilog of a component, the same text every time for the same component."""

import re
from typing import cast

from amaranth.back import verilog
from amaranth.lib import wiring

_READ_REGISTER = re.compile(r"^(  reg (?:\[(\d+):0\] )?_\d+_);$", re.MULTILINE)
"""What holds the word that a memory's clocked read port has read. Amaranth leaves it without an initial value."""

_WAKE = re.compile(r"^  reg (\\\$auto\$verilog_backend\S+) +?= 0;$", re.MULTILINE)
"""What every ``always @*`` block reads so that it runs at the start. A value from the declaration is no event, which is
what event-driven simulators wait for."""


def convert(component: wiring.Component, name: str) -> str:
    """Verilog with the component's stream members flattened to ``member__payload`` and so on.

    No source locations: the text changes only when the hardware does, so builds can be cached by
    its hash. Every register and memory has an initial value, and a read port shows 0 before its first read, as
    block memories of FPGAs do: no simulator starts with unknown bits.
    """
    text = cast(str, verilog.convert(component, name=name, emit_src=False))
    text = _READ_REGISTER.sub(lambda found: f"{found[1]} = {int(found[2] or 0) + 1}'h0;", text)
    return _WAKE.sub(lambda found: f"  reg {found[1]} ;\n  initial {found[1]} <= 0;", text)
