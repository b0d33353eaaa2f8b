"""Ports between the parts of the router.

Only one primitive runs at a time. Parts that share a memory or the answer drive zeros while they
rest, so sharing a port is a bitwise OR.
"""

from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import KEY_BITS, WORD_BITS
from hw.router.parameters import UnitParameters


def key_row(parameters: UnitParameters) -> data.ArrayLayout:
    """Keys or elements of one row, lane 0 lowest."""
    return data.ArrayLayout(KEY_BITS, parameters.lanes)


class KeyRead(wiring.Signature):
    """Reads a row of keys: ``keys`` shows the row asked for in the cycle before."""

    def __init__(self, parameters: UnitParameters) -> None:
        super().__init__({"row": Out(range(parameters.rows)), "keys": In(key_row(parameters))})


class KeyWrite(wiring.Signature):
    """Writes the enabled lanes of a row of keys."""

    def __init__(self, parameters: UnitParameters) -> None:
        super().__init__(
            {
                "enable": Out(parameters.lanes),
                "row": Out(range(parameters.rows)),
                "keys": Out(key_row(parameters)),
            }
        )


class BitmapRead(wiring.Signature):
    """Reads a row of a bitmap: ``bits`` shows the row asked for in the cycle before."""

    def __init__(self, parameters: UnitParameters) -> None:
        super().__init__(
            {
                "slot": Out(range(parameters.slots)),
                "row": Out(range(parameters.rows)),
                "bits": In(parameters.lanes),
            }
        )


class BitmapWrite(wiring.Signature):
    """Writes a row of a bitmap."""

    def __init__(self, parameters: UnitParameters) -> None:
        super().__init__(
            {
                "enable": Out(1),
                "slot": Out(range(parameters.slots)),
                "row": Out(range(parameters.rows)),
                "bits": Out(parameters.lanes),
            }
        )


class Elements(wiring.Signature):
    """The packet's data as a primitive takes it, a beat per cycle.

    ``ready`` says that the primitive is due another beat, and a beat moves with ``valid & ready``.
    ``keys`` are the same elements converted to keys by the descriptor's format. What the host left
    out reads as elements of 0.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        super().__init__(
            {
                "valid": In(1),
                "ready": Out(1),
                "elements": In(key_row(parameters)),
                "keys": In(key_row(parameters)),
            }
        )


class Words(wiring.Signature):
    """Words of the answer's payload.

    There is no ready: a primitive starts work that ends in a word only while there is ``room``,
    which leaves space for ``WORDS_UNDER_WAY`` more.
    """

    def __init__(self) -> None:
        super().__init__({"valid": Out(1), "word": Out(WORD_BITS), "room": In(1)})


class RowBits(wiring.Signature):
    """A row of a result on its way to the writer: ``bits`` are answered and counted, ``stored`` written."""

    def __init__(self, parameters: UnitParameters) -> None:
        super().__init__({"valid": Out(1), "bits": Out(parameters.lanes), "stored": Out(parameters.lanes)})


class Multiplication(wiring.Signature):
    """Use of the shared multiplier, see ``hw.router.arithmetic.multiplier``."""

    def __init__(self) -> None:
        super().__init__(
            {
                "a": Out(KEY_BITS),
                "b": Out(KEY_BITS),
                "start": Out(1),
                "product": In(2 * KEY_BITS),
                "done": In(1),
            }
        )
