"""One of several values by its position."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Mux, Value


def choose(index: Value, choices: Sequence[Value]) -> Value:
    """The choice at ``index``, which never passes the last."""
    chosen = choices[0]
    for position, choice in enumerate(choices[1:], start=1):
        chosen = Mux(index == position, choice, chosen)
    return chosen


def rotated(bits: Value, first: Value) -> Value:
    """All bits, from bit ``first`` on and round."""
    return Cat(bits, bits).bit_select(first, len(bits))
