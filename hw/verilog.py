"""Verilog of a component, the same text every time for the same component."""

from typing import cast

from amaranth.back import verilog
from amaranth.lib import wiring


def convert(component: wiring.Component, name: str) -> str:
    """Verilog with the component's stream members flattened to ``member__payload`` and so on.

    No source locations: the text changes only when the hardware does, so builds can be cached by
    its hash.
    """
    return cast(str, verilog.convert(component, name=name, emit_src=False))
