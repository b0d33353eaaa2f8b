"""Segments: mean log-likelihoods of runs of tokens, and scores of pairs of runs."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import KEY_BITS, WORD_BITS, Flag
from hw.router.arithmetic.divider import Divider
from hw.router.frame.command import ELEMENTS, command_layout, has, wants_payload
from hw.router.frame.ports import Elements, KeyWrite, Multiplication, Words
from hw.router.parameters import UnitParameters

LENGTH_BITS = 12
"""Bits of a segment's length, at most 4095."""

MIDDLE = 1 << (KEY_BITS - 1)
"""Key of the value 0."""


class Segments(wiring.Component):
    """SEGLL: an element per cycle, and at most 32 cycles more per segment.

    Values are added as keys, which are the values plus ``MIDDLE``: their mean is the mean's key, and
    no sign appears before the weights.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    command : In(command_layout(parameters))
        Stable while the operation runs.
    start : In(1)
        Begin; the first element is taken in the next cycle.
    done : Out(1)
        The packet is read and every value is on its way.
    bad_data : Out(1)
        The segments were not as the command said; they end at the first bad header.
    saturated : Out(1)
        A value of this command was clipped.
    count : Out(range(keys + 1))
        Values.
    elements : Out(Elements)
        Segment after segment, an element per beat: a header with the length, then that many log-likelihoods.
    write : Out(KeyWrite)
        A value's key, to the key memory from ``base`` on.
    words : Out(Words)
        Two words a value, sign-extended.
    multiplier : Out(Multiplication())
        For the weight of a pair's document.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "command": In(command_layout(parameters)),
                "start": In(1),
                "done": Out(1),
                "bad_data": Out(1),
                "saturated": Out(1),
                "count": Out(range(parameters.keys + 1)),
                "elements": Out(Elements(parameters)),
                "write": Out(KeyWrite(parameters)),
                "words": Out(Words()),
                "multiplier": Out(Multiplication()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Header, values, division; then a weighted document mean or a finished value."""
        m = Module()
        descriptor = self.command.descriptor
        m.submodules.divider = divider = Divider(KEY_BITS, LENGTH_BITS)
        element = Signal(KEY_BITS)
        left = Signal(ELEMENTS)  # elements of the packet
        length = Signal(LENGTH_BITS)
        values_left = Signal(LENGTH_BITS)
        # bound: 4095 keys below 2^24 and half of 4095
        total = Signal(KEY_BITS + LENGTH_BITS)
        segments_left = Signal(range(2 * self._parameters.keys + 2))
        is_query = Signal()
        taken = Signal()
        fits = Signal()
        # |weight * mean| is at most 65535 * 2^23, and 12 bits are shifted out
        weighted = Signal(signed(29))
        score = Signal(signed(30))
        value = Signal(signed(KEY_BITS))
        pair = has(descriptor, Flag.SEGLL_PAIR)
        m.d.comb += [
            score.eq((divider.quotient ^ MIDDLE).as_signed() + Mux(pair, weighted, 0)),
            value.eq(Mux(score > MIDDLE - 1, MIDDLE - 1, Mux(score < -MIDDLE, -MIDDLE, score))),
            element.eq(self.elements.elements[0]),
            taken.eq(self.elements.ready & self.elements.valid),
            fits.eq((element != 0) & (element < 1 << LENGTH_BITS) & (element < left)),
            divider.dividend.eq(total),
            divider.divisor.eq(length),
        ]
        with m.If(taken):
            m.d.sync += left.eq(left - 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [left.eq(descriptor.n), segments_left.eq(descriptor.x), is_query.eq(0)]
                with m.If(self.start):
                    m.d.sync += [self.count.eq(0), self.saturated.eq(0), self.bad_data.eq(pair & descriptor.x[0])]
                    m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += self.elements.ready.eq((left != 0) & (segments_left != 0))
                with m.If((left == 0) | (segments_left == 0)):
                    with m.If((left != 0) | (segments_left != 0)):
                        m.d.sync += self.bad_data.eq(1)
                    m.next = "DRAIN"
                with m.Elif(taken):
                    m.d.sync += [length.eq(element), values_left.eq(element), total.eq(element >> 1)]
                    m.next = "VALUES"
                    with m.If(~fits):
                        m.d.sync += self.bad_data.eq(1)
                        m.next = "DRAIN"
            with m.State("VALUES"):
                m.d.comb += self.elements.ready.eq(1)
                with m.If(taken):
                    m.d.sync += [total.eq(total + (element ^ MIDDLE)), values_left.eq(values_left - 1)]
                    with m.If(values_left == 1):
                        m.next = "DIVIDE"
            with m.State("DIVIDE"):
                m.d.comb += divider.start.eq(1)
                m.d.sync += segments_left.eq(segments_left - 1)
                m.next = "DIVIDING"
            with m.State("DIVIDING"), m.If(divider.done):
                m.d.sync += is_query.eq(pair & ~is_query)
                m.next = "WRITE"
                with m.If(pair & ~is_query):
                    m.next = "WEIGHT"
            self._weigh(m, divider.quotient, weighted)
            self._write(m, score, value)
            with m.State("DRAIN"):
                m.d.comb += self.elements.ready.eq(left != 0)
                with m.If(left == 0):
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"
        return m

    def _weigh(self, m: Module, mean: Signal, weighted: Signal) -> None:
        """States that weight a document's mean."""
        weight = self.command.descriptor.z  # UQ4.12
        with m.State("WEIGHT"):
            m.d.comb += [self.multiplier.start.eq(1), self.multiplier.a.eq(weight), self.multiplier.b.eq(mean)]
            m.next = "WEIGHTING"
        with m.State("WEIGHTING"):
            m.d.comb += [self.multiplier.a.eq(weight), self.multiplier.b.eq(mean)]
            with m.If(self.multiplier.done):
                # the product of the mean's key is too large by weight * MIDDLE
                m.d.sync += weighted.eq((self.multiplier.product - weight * MIDDLE + (1 << 11)) >> 12)
                m.next = "HEADER"

    def _write(self, m: Module, score: Signal, value: Signal) -> None:
        """States that store and send a value."""
        descriptor = self.command.descriptor
        value_then = Signal.like(value)
        with m.State("WRITE"):
            lane_bits = (self._parameters.lanes - 1).bit_length()
            m.d.comb += [
                self.write.enable.eq(1 << self.count[:lane_bits]),
                self.write.row.eq(self.command.base_row + self.count[lane_bits:]),
            ]
            m.d.comb += [key.eq(value ^ MIDDLE) for key in self.write.keys]
            m.d.sync += [
                value_then.eq(value),
                self.count.eq(self.count + 1),
                self.saturated.eq(self.saturated | (value != score)),
            ]
            m.next = "LOW"
        for half, following in ((0, "HIGH"), (1, "HEADER")):
            with m.State(("LOW", "HIGH")[half]), m.If(self.words.room | ~wants_payload(descriptor)):
                m.d.comb += [
                    self.words.valid.eq(wants_payload(descriptor)),
                    self.words.word.eq(value_then >> half * WORD_BITS),
                ]
                m.next = following
