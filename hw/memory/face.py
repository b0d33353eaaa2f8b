"""What all controllers have in common, and what each has beside it: pins, or what its start says."""

from collections.abc import Iterable

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

FACE = ("i", "read_valid", "read_data")
"""Members of a controller that a memory is connected to, as of ``SdramController``."""


def outside(controller: wiring.Component) -> dict[str, wiring.Member]:
    """A controller's other members, which the components around it have too."""
    return {name: member for name, member in controller.signature.members.items() if name not in FACE}


def connect_outside(m: Module, inner: wiring.Component, outer: wiring.Component, names: Iterable[str]) -> None:
    """Connect members of these names with those of a component around it."""
    for name in names:
        if inner.signature.members[name].is_port:
            m.d.comb += getattr(outer, name).eq(getattr(inner, name))
        else:
            connect(m, getattr(inner, name), flipped(getattr(outer, name)))
