"""Prefix: how many draft tokens a target model accepts."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import KEY_BITS, WORD_BITS, Flag
from formats.router.legality import MAXIMUM_DRAFTS, MAXIMUM_TRIPLED
from hw.router.frame.command import command_layout, has, wants_payload
from hw.router.frame.ports import Elements, Multiplication, Words
from hw.router.parameters import UnitParameters

TRIPLE_CYCLES = 6
"""Cycles a triple takes: u, q, p, and pauses for the multiplier."""


class Prefix(wiring.Component):
    """PREFIX: elements are compared as they come and drained after the first mismatch.

    Greedy takes an element per cycle; stochastic takes ``TRIPLE_CYCLES`` cycles for three. Cycles do
    not depend on where the mismatch is.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    command : In(command_layout(parameters))
    start : In(1)
    done : Out(1)
    count : Out(range(256))
        Accepted drafts.
    elements : Out(Elements)
    words : Out(Words)
        Greedy: the token after the accepted drafts, two words.
    multiplier : Out(Multiplication())
    """

    def __init__(self, parameters: UnitParameters) -> None:
        super().__init__(
            {
                "command": In(command_layout(parameters)),
                "start": In(1),
                "done": Out(1),
                "count": Out(range(MAXIMUM_DRAFTS + 1)),
                "elements": Out(Elements(parameters)),
                "words": Out(Words()),
                "multiplier": Out(Multiplication()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Two ways to take elements, one way to count."""
        m = Module()
        descriptor = self.command.descriptor
        element = Signal(KEY_BITS)
        left = Signal(range(MAXIMUM_TRIPLED + 1))
        taken = Signal()
        matching = Signal()  # no mismatch yet
        next_token = Signal(KEY_BITS)
        m.d.comb += [element.eq(self.elements.elements[0]), taken.eq(self.elements.ready & self.elements.valid)]
        with m.If(taken):
            m.d.sync += left.eq(left - 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [left.eq(descriptor.n), matching.eq(1), next_token.eq(0)]
                with m.If(self.start):
                    m.d.sync += self.count.eq(0)
                    m.next = "DRAFT"
                    with m.If(has(descriptor, Flag.PREFIX_STOCHASTIC)):
                        m.next = "TRIPLE"
            self._greedy(m, element, left, taken, matching, next_token)
            self._stochastic(m, element, left, taken, matching)
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"
            for half, following in ((0, "HIGH"), (1, "DONE")):
                with m.State(("LOW", "HIGH")[half]), m.If(self.words.room | ~wants_payload(descriptor)):
                    m.d.comb += [
                        self.words.valid.eq(wants_payload(descriptor)),
                        self.words.word.eq(next_token[half * WORD_BITS :][:WORD_BITS]),
                    ]
                    m.next = following
        return m

    def _greedy(
        self, m: Module, element: Signal, left: Signal, taken: Signal, matching: Signal, next_token: Signal
    ) -> None:
        """Drafts and targets in turn; the last target has no draft."""
        draft = Signal(KEY_BITS)
        with m.State("DRAFT"):
            m.d.comb += self.elements.ready.eq(1)
            with m.If(taken):
                m.d.sync += draft.eq(element)
                m.next = "TARGET"
                with m.If(left == 1):
                    with m.If(matching):
                        m.d.sync += next_token.eq(element)
                    m.next = "LOW"
        with m.State("TARGET"):
            m.d.comb += self.elements.ready.eq(1)
            with m.If(taken):
                with m.If(matching):
                    m.d.sync += [
                        matching.eq(draft == element),
                        self.count.eq(self.count + (draft == element)),
                        next_token.eq(element),
                    ]
                m.next = "DRAFT"

    def _stochastic(self, m: Module, element: Signal, left: Signal, taken: Signal, matching: Signal) -> None:
        """``u q < p 2^24`` of a triple is decided while the next is taken."""
        u = Signal(KEY_BITS)
        q = Signal(KEY_BITS)
        p = Signal(KEY_BITS)
        phase = Signal(range(TRIPLE_CYCLES))
        undecided = Signal()
        selected = Signal()
        m.d.comb += [
            selected.eq(undecided | self.multiplier.start),
            self.multiplier.a.eq(Mux(selected, u, 0)),
            self.multiplier.b.eq(Mux(selected, q, 0)),
        ]
        with m.State("TRIPLE"):
            m.d.comb += self.elements.ready.eq((left != 0) & (phase < 3))
            with m.If(taken), m.Switch(phase):
                with m.Case(0):
                    m.d.sync += u.eq(element)
                with m.Case(1):
                    m.d.sync += q.eq(element)
                with m.Default():
                    m.d.sync += [p.eq(element), undecided.eq(1)]
                    m.d.comb += self.multiplier.start.eq(1)
            with m.If(taken | (phase >= 3)):
                m.d.sync += phase.eq(Mux(phase == TRIPLE_CYCLES - 1, 0, phase + 1))
            with m.If(self.multiplier.done):
                accepted = Signal()
                m.d.comb += accepted.eq(matching & (self.multiplier.product[KEY_BITS:] < p))
                m.d.sync += [matching.eq(accepted), self.count.eq(self.count + accepted), undecided.eq(0)]
            with m.If((left == 0) & (phase == 0) & ~undecided):
                m.next = "DONE"
