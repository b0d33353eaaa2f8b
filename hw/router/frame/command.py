"""A command as wires: the descriptor's fields, and what the decoder adds to them."""

from amaranth.hdl import Const, Value
from amaranth.lib import data

from formats.router.descriptor import KEY_BITS, Flag, Opcode
from formats.router.legality import MAXIMUM_ELEMENTS
from hw.router.parameters import UnitParameters

STATUS_BITS = 8
ELEMENTS = range(MAXIMUM_ELEMENTS + 1)

DESCRIPTOR = data.StructLayout(
    {
        "opcode": 8,
        "tag": 8,
        "flags": 16,
        "n": KEY_BITS,
        "dst": 8,
        "x": KEY_BITS,
        "sa": 8,
        "y": KEY_BITS,
        "sb": 8,
        "z": 16,
        "base": 8,
        "sc": 8,
    }
)
"""The 160 bits of a command, see ``formats.router.descriptor``."""


def command_layout(parameters: UnitParameters) -> data.StructLayout:
    """A checked command.

    ``descriptor``; ``status``: 0, or why it is refused; ``rows``: rows of a bitmap of n bits rounded
    up to whole words; ``base_row``: row of the key memory at which ``base`` lies; ``row_elements``
    and ``row_count``: shape of FIRST's n keys.
    """
    return data.StructLayout(
        {
            "descriptor": DESCRIPTOR,
            "status": STATUS_BITS,
            "rows": range(parameters.rows + 1),
            "base_row": range(parameters.rows),
            "row_elements": ELEMENTS,
            "row_count": ELEMENTS,
        }
    )


def has(descriptor: data.View, flag: int) -> Value:
    """Whether a ``Flag`` is set."""
    return descriptor.flags[flag.bit_length() - 1]


def mode(descriptor: data.View) -> Value:
    """Flags 1:0, the mode or format of an operation."""
    return descriptor.flags[0:2]


def bound(descriptor: data.View) -> Value:
    """Flags 4:3, the ``Bound`` of FILTER and FIRST."""
    return descriptor.flags[3:5]


def is_operation(descriptor: data.View, *opcodes: Opcode) -> Value:
    """Whether the opcode is one of these."""
    found: Value = Const(0)
    for opcode in opcodes:
        found = found | (descriptor.opcode == opcode)
    return found


def wants_payload(descriptor: data.View) -> Value:
    """Whether the answer is to have a payload."""
    return has(descriptor, Flag.OUT)
