"""Info: what the router is built for, and the counters of its cache."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import VERSION, WORD_BITS
from hw.router.frame.command import command_layout, wants_payload
from hw.router.frame.ports import Words
from hw.router.parameters import UnitParameters
from hw.router.primitives.cache import COUNTERS


class Info(wiring.Component):
    """INFO: eight words of parameters and eight of counters, a word per cycle.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    command : In(command_layout(parameters))
        Stable while the operation runs.
    start : In(1)
        Begin; the first word leaves in the next cycle.
    done : Out(1)
        The last word leaves.
    counters : In(COUNTERS)
        Of the expert cache.
    words : Out(Words)
        Version, lanes, bits of a digit, keys, slots, sets, ways, 0; then the counters, low words first.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "command": In(command_layout(parameters)),
                "start": In(1),
                "done": Out(1),
                "counters": In(COUNTERS),
                "words": Out(Words()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Pick a word after the other."""
        m = Module()
        built = self._parameters
        shape = (VERSION, built.lanes, built.digit_bits, built.keys, built.slots, built.sets, built.ways, 0)
        text = Cat(*(Const(value, WORD_BITS) for value in shape), self.counters)
        count = len(text) // WORD_BITS
        words = Signal(len(text))
        position = Signal(range(count))
        active = Signal()
        step = Signal()
        m.d.comb += [
            words.eq(text),
            step.eq(active & (self.words.room | ~wants_payload(self.command.descriptor))),
            self.words.valid.eq(step & wants_payload(self.command.descriptor)),
            self.done.eq(step & (position == count - 1)),
        ]
        with m.If(self.words.valid):
            m.d.comb += self.words.word.eq(words.word_select(position, WORD_BITS))
        with m.If(self.start):
            m.d.sync += [active.eq(1), position.eq(0)]
        with m.Elif(step):
            m.d.sync += [position.eq(position + 1), active.eq(~self.done)]
        return m
