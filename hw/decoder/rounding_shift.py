"""Shifter: integers brought to the bits that an operation wants, the only rounding that there is."""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, ValueLike, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import MANTISSA_BITS

WORD = signed(MANTISSA_BITS + 1)

_GROUP = 8
"""Bits that are looked at together, to find the highest."""

PLACES = signed(7)
"""To the right; below 0 to the left."""


class RoundingShift(wiring.Component):
    """``golden_models.integer_decoder.vectors.shifted``, one number per cycle, two cycles late.

    Parameters
    ----------
    width
        Bits of a number, its sign among them: 32 to 62.

    Members
    -------
    advance : In(1)
        Nothing moves without it.
    i, o : In(signed(width)), Out(signed(32))
    places : In(signed(7))
        To the right, ``width + 1`` at most; below 0 to the left, 31 at most. With ``i``.
    bits : In(5)
        Of the result, at least 1. With ``i``.
    """

    LATENCY = 2

    def __init__(self, width: int = MANTISSA_BITS + 1) -> None:
        self._width = width
        super().__init__(
            {"advance": In(1), "i": In(signed(width)), "places": In(PLACES), "bits": In(5), "o": Out(WORD)}
        )

    def elaborate(self, platform: object) -> Module:
        """Shift with one place more; then halves up and clip, side by side."""
        m = Module()
        doubled, shifted = Signal(signed(self._width + 1)), Signal(signed(self._width + 1))
        # to the left by one place more than the complement of the places: no carry comes before the shift
        left, left_shifted = Signal(range(MANTISSA_BITS)), Signal(signed(MANTISSA_BITS + 2))
        limit, bound, rounded = Signal(MANTISSA_BITS), Signal(WORD), Signal(WORD)
        too_long, too_far = Signal(), Signal()
        m.d.comb += [
            doubled.eq(self.i << 1),
            left.eq(~self.places),
            left_shifted.eq(doubled << 1 << left),  # of what is not too long all bits are kept
            rounded.eq((shifted + 1) >> 1),
            too_far.eq(_without_sign(shifted)[1:] >= limit),  # not yet rounded; what is equal may become more
        ]
        with m.If(self.advance):
            m.d.sync += [
                shifted.eq(Mux(self.places < 0, left_shifted, doubled >> self.places[:6])),
                too_long.eq((self.places < 0) & self._leaves(left)),
                limit.eq((1 << self.bits) - 1),
                bound.eq(Mux(self.i < 0, 1 - (1 << self.bits), (1 << self.bits) - 1)),
                self.o.eq(Mux(too_long | too_far, bound, rounded)),
            ]
        return m

    def _leaves(self, left: Signal) -> Value:
        """Whether a shift to the left pushes a bit of the magnitude out of a word."""
        leaving = Cat(left >= max(MANTISSA_BITS - place, 1) - 1 for place in range(self._width - 1))
        return (_without_sign(self.i) & leaving).any()


def limited(places: Value, width: int = MANTISSA_BITS + 1) -> Value:
    """Places of any width as a ``RoundingShift`` takes them; what goes further gives the same."""
    return Mux(places > width + 1, width + 1, Mux(places < -MANTISSA_BITS, -MANTISSA_BITS, places))


def halves_up(value: Value, places: int) -> Value:
    """A value divided by two to so many places, rounded."""
    return (value + (1 << places - 1)) >> places


def bit_length(m: Module, magnitude: Signal) -> Signal:
    """Bits of a number, 0 of 0, two cycles late: first in each of its groups, then of the highest that is not 0."""
    doubled = Cat(Const(0, 1), magnitude)  # whose highest bit is at the place that is the length
    groups = [doubled[start : start + _GROUP] for start in range(0, len(doubled), _GROUP)]
    lengths = [Signal(range(_GROUP), name=f"length_{index}") for index in range(len(groups))]
    holds, length = Signal(len(groups)), Signal(range(len(magnitude) + 1))
    m.d.sync += [
        holds.eq(Cat(group.any() for group in groups)),
        *(each.eq(_chosen(_highest(group), range(len(group)))) for each, group in zip(lengths, groups, strict=True)),
        length.eq(Cat(_chosen(_highest(holds), lengths), _chosen(_highest(holds), range(len(groups))))),
    ]
    return length


def _highest(bits: Value) -> list[Value]:
    """For every bit whether it is the highest that is 1."""
    return [bits[place] & ~bits[place + 1 :].any() for place in range(len(bits))]


def _chosen(choices: Sequence[Value], values: Iterable[ValueLike]) -> Value:
    """The value whose choice is 1, or 0 where none is."""
    return reduce(or_, (Mux(choice, value, 0) for choice, value in zip(choices, values, strict=True)))


def _without_sign(number: Signal) -> Value:
    """A number, or of one below 0 its complement."""
    return Value.cast(number ^ number[-1].replicate(len(number)))[: len(number) - 1]
