"""First: per row of keys, the first above a bound, or the largest."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import KEY_BITS, WORD_BITS, Bound, Flag
from hw.router.arithmetic.choice import CHOICE_LATENCY, LaneChoice
from hw.router.frame.command import ELEMENTS, bound, command_layout, has, wants_payload
from hw.router.frame.ports import Elements, KeyRead, Words, key_row
from hw.router.parameters import UnitParameters

INDEX_BITS = ELEMENTS.stop.bit_length()


class First(wiring.Component):
    """FIRST: rows of E keys; two words per row, the index of the chosen key and bit 31 if none passed.

    A beat per cycle, and two cycles per row at least. A row's words follow its last beat by 5 and 6
    cycles.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    command : In(command_layout(parameters))
        Stable while the operation runs.
    start : In(1)
        Begin; the first beat is taken in the next cycle.
    done : Out(1)
        Every word is on its way.
    count : Out(range(2**18 + 1))
        Rows in which a key passed.
    elements : Out(Elements)
        The keys, row after row, ``lanes`` a beat; a row starts on a fresh beat.
    read : Out(KeyRead)
        The table of bounds.
    words : Out(Words)
        Two words per row: the index of the chosen key, low word first, and bit 31 if none passed.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "command": In(command_layout(parameters)),
                "start": In(1),
                "done": Out(1),
                "count": Out(ELEMENTS),
                "elements": Out(Elements(parameters)),
                "read": Out(KeyRead(parameters)),
                "words": Out(Words()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Take beats; choose a lane; choose a beat; answer."""
        m = Module()
        lanes, descriptor = self._parameters.lanes, self.command.descriptor
        layout = data.StructLayout({"valid": 1, "last": 1, "position": ELEMENTS})
        stages = [Signal(layout, name=f"stage_{index}") for index in range(CHOICE_LATENCY + 2)]
        active = Signal()
        rows_left = Signal(ELEMENTS)
        self._take(m, stages[0], active, rows_left)
        m.d.sync += [after.eq(before) for before, after in pairwise(stages)]
        arrived = stages[1]
        keys = Signal(key_row(self._parameters))
        left = Signal(ELEMENTS)  # keys of the row from the arrived beat on
        m.submodules.choice = choice = LaneChoice(self._parameters)
        m.d.sync += keys.eq(self.elements.keys)
        m.d.comb += [
            left.eq(self.command.row_elements - arrived.position),
            choice.keys.eq(keys),
            choice.inside.eq(Cat(left > lane for lane in range(lanes))),
            choice.bounded.eq(bound(descriptor) != Bound.NONE),
            choice.closed.eq(has(descriptor, Flag.FIRST_CLOSED)),
        ]
        for lane in range(lanes):
            from_table = bound(descriptor) == Bound.TABLE
            m.d.comb += choice.limits[lane].eq(Mux(from_table, self.read.keys[lane], descriptor.x))
        sending = self._answer(m, stages[-1], choice)
        under_way = Signal()
        m.d.comb += [
            under_way.eq(Cat(stage.valid for stage in stages[1:]).any() | sending),
            self.done.eq(active & (rows_left == 0) & ~under_way),
        ]
        return m

    def _take(self, m: Module, taken: data.View, active: Signal, rows_left: Signal) -> None:
        """Ask for beats; ``taken`` tells of the beat of this cycle."""
        lanes = self._parameters.lanes
        pause = Signal()  # the second cycle of a row of one beat
        position = Signal(ELEMENTS)
        m.d.comb += [
            self.elements.ready.eq(active & (rows_left != 0) & ~pause & self.words.room),
            taken.valid.eq(self.elements.ready & self.elements.valid),
            taken.last.eq(position + lanes >= self.command.row_elements),
            taken.position.eq(position),
            self.read.row.eq(Mux(active, self.command.base_row + position[(lanes - 1).bit_length() :], 0)),
        ]
        m.d.sync += pause.eq(taken.valid & taken.last & (position == 0))
        with m.If(self.start):
            m.d.sync += [active.eq(1), rows_left.eq(self.command.row_count), position.eq(0)]
        with m.Elif(self.done):
            m.d.sync += active.eq(0)
        with m.Elif(taken.valid):
            m.d.sync += [position.eq(Mux(taken.last, 0, position + lanes)), rows_left.eq(rows_left - taken.last)]

    def _answer(self, m: Module, stage: data.View, choice: LaneChoice) -> Signal:
        """Merge a row's beats and send its two words; returns whether a first word is being sent."""
        descriptor = self.command.descriptor
        passed = Signal()
        passed_index = Signal(INDEX_BITS)
        key = Signal(KEY_BITS)
        key_index = Signal(INDEX_BITS)
        begins = Signal()
        passed_now = Signal()
        passed_index_now = Signal(INDEX_BITS)
        larger = Signal()
        key_index_now = Signal(INDEX_BITS)
        m.d.comb += [
            begins.eq(stage.position == 0),
            passed_now.eq(choice.o.passed | (passed & ~begins)),
            passed_index_now.eq(Mux(passed & ~begins, passed_index, stage.position + choice.o.passed_lane)),
            larger.eq(begins | (choice.o.key > key)),
            key_index_now.eq(Mux(larger, stage.position + choice.o.key_lane, key_index)),
        ]
        with m.If(stage.valid):
            m.d.sync += [passed.eq(passed_now), passed_index.eq(passed_index_now), key_index.eq(key_index_now)]
            with m.If(larger):
                m.d.sync += key.eq(choice.o.key)
        fallback = Signal(INDEX_BITS)
        index = Signal(2 * WORD_BITS - 1)
        result = Signal(2 * WORD_BITS)
        low = Signal()
        high = Signal()
        ends = Signal()
        m.d.comb += [
            fallback.eq(Mux(has(descriptor, Flag.FIRST_NONE), self.command.row_elements, key_index_now)),
            index.eq(Mux(passed_now, passed_index_now, fallback)),
            ends.eq(stage.valid & stage.last),
        ]
        m.d.sync += [low.eq(ends), high.eq(low)]
        with m.If(ends):
            m.d.sync += result.eq(Cat(index, ~passed_now))
        with m.If(self.start):
            m.d.sync += self.count.eq(0)
        with m.Elif(ends):
            m.d.sync += self.count.eq(self.count + passed_now)
        with m.If(wants_payload(descriptor)):
            m.d.comb += self.words.valid.eq(low | high)
        with m.If(self.words.valid):
            m.d.comb += self.words.word.eq(result.word_select(high, WORD_BITS))
        return low
