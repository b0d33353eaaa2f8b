"""What lies on the link's wires: bytes, and packets' headers."""

from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import Out

from formats.link import HEADER

HEADER_LAYOUT = data.StructLayout({field.name: field.bits for field in HEADER})
"""First word of a packet."""

OCTETS = stream.Signature(8)
"""Bytes that wait until they are taken."""


def unstoppable(shape: ShapeLike) -> wiring.Signature:
    """What comes and does not wait."""
    return wiring.Signature({"valid": Out(1), "payload": Out(shape)})


LINE_OCTETS = unstoppable(8)
"""Bytes as a line brings them, ``LINE_CYCLES`` or more from one to the next."""

LINE_CYCLES = 10
"""A byte's bits are looked at one by one; the fastest UART takes 40 cycles."""
