"""Top-k: radix select on cumulative counters, then one pass that keeps."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import KEY_BITS, NO_SLOT, Flag, Quota
from hw.router.arithmetic.lanes import lanes_below
from hw.router.arithmetic.popcount import popcount
from hw.router.frame.command import command_layout, has, mode
from hw.router.frame.ports import Multiplication, RowBits, key_row
from hw.router.parameters import UnitParameters
from hw.router.primitives.keep import KeepPass
from hw.router.primitives.select_counters import SelectCounters

MASKS = 2
"""Bitmaps of the first pass: the candidates, and those forced to stay."""


class TopK(wiring.Component):
    """Directs a row reader through Z select passes and the keep pass.

    A pass decides a digit of the k-th largest key, the highest first: it counts, among the keys that
    share the digits decided so far, how many reach each digit. The first pass also reads the masks
    and marks every token as one to choose from, one that stays anyway, or neither; k follows from
    how many there are. Z passes leave the k-th key and how many keys equal to it stay.

    Cycles depend on the command alone: ``(Z + 1) R`` for the rows, R more with both masks,
    ``Z (D + 5)`` between passes and about 25 more.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    command : In(command_layout(parameters))
    start : In(1)
    idle : Out(1)
        No walk is left to start.
    walk : Out(1)
        Start the row reader.
    named : Out(2)
        Masks it is to read.
    busy, reading : In
        Whether it has rows left, and the row being read.
    valid, row, masks, keys : In
        The row read in the cycle before.
    multiplier : Out(Multiplication())
    o : Out(RowBits)
        The rows of the result.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        row = range(parameters.rows)
        super().__init__(
            {
                "command": In(command_layout(parameters)),
                "start": In(1),
                "idle": Out(1),
                "walk": Out(1),
                "named": Out(MASKS),
                "busy": In(1),
                "reading": In(row),
                "valid": In(1),
                "row": In(row),
                "masks": In(parameters.lanes).array(MASKS),
                "keys": In(key_row(parameters)),
                "multiplier": Out(Multiplication()),
                "o": Out(RowBits(parameters)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The order of the passes; threshold and quota."""
        m = Module()
        parameters, descriptor = self._parameters, self.command.descriptor
        digit_bits = parameters.digit_bits
        count = range(parameters.keys + 1)
        m.submodules.counters = counters = SelectCounters(parameters)
        m.submodules.keep = keep = KeepPass(parameters)
        wiring.connect(m, wiring.flipped(self.o), keep.o)

        first = Signal()  # the pass that reads the masks
        keeping = Signal()
        place = Signal(range(parameters.passes))  # position of the digit being decided
        threshold = Signal(KEY_BITS)  # its decided digits; 0 below
        decided = Signal(KEY_BITS)  # ones where digits are decided
        quota = Signal(count)  # keys still wanted among those that share the decided digits
        kept = Signal(count)
        active, fixed, candidates, forced = self._mark(m, first)
        settled = Signal()
        m.d.comb += [
            settled.eq(~self.busy & ~self.valid & ~counters.counting),
            counters.quota.eq(quota),
            keep.quota.eq(quota),
            keep.threshold.eq(threshold),
            keep.active.eq(active),
            keep.fixed.eq(fixed),
            keep.valid.eq(self.valid & keeping),
            self.multiplier.a.eq(Mux(first, descriptor.x, 0)),
            self.multiplier.b.eq(Mux(first, candidates, 0)),
        ]
        self._compare(m, place, threshold, decided, active, counters, keep)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.idle.eq(1)
                m.d.sync += [place.eq(self._first_place()), threshold.eq(0), decided.eq(0), keeping.eq(0)]
                with m.If(self.start):
                    m.d.comb += [self.walk.eq(1), self.named.eq(self._named())]
                    m.d.comb += counters.clear.eq(1)
                    m.d.sync += first.eq(1)
                    m.next = "COUNT"
            with m.State("COUNT"):
                m.d.comb += self.named.eq(Mux(first, self._named(), 0))
                step = Signal(range(digit_bits))
                m.d.sync += step.eq(0)
                with m.If(settled):
                    m.d.comb += self.multiplier.start.eq(first)
                    m.next = "SEARCH"
                    with m.If(first):
                        m.next = "MULTIPLY"
            with m.State("MULTIPLY"), m.If(self.multiplier.done):
                m.d.sync += kept.eq(self._kept(m, candidates))
                m.next = "ALLOT"
            with m.State("ALLOT"):
                m.d.sync += first.eq(0)
                most = Signal(count)
                m.d.comb += most.eq(Mux(kept > forced, kept, forced))  # both are at most the candidates
                m.d.sync += quota.eq(most - forced)
                m.next = "SEARCH"
            with m.State("SEARCH"):
                m.d.comb += counters.search.eq(1)
                m.d.sync += step.eq(step + 1)
                with m.If(step == digit_bits - 1):
                    m.next = "DECIDE"
            with m.State("DECIDE"):
                m.d.comb += [self.walk.eq(1), counters.clear.eq(1)]
                m.d.sync += [
                    threshold.word_select(place, digit_bits).eq(counters.digit),
                    decided.word_select(place, digit_bits).eq(-1),
                    quota.eq(quota - counters.above),
                    place.eq(place - 1),
                ]
                m.next = "COUNT"
                with m.If(place == 0):
                    m.d.sync += keeping.eq(1)
                    m.next = "OPEN"
            with m.State("OPEN"):
                m.d.comb += keep.start.eq(1)
                m.next = "KEEP"
            with m.State("KEEP"), m.If(settled):
                m.next = "IDLE"
        return m

    def _named(self) -> Value:
        descriptor = self.command.descriptor
        return Cat(descriptor.sa != NO_SLOT, descriptor.sb != NO_SLOT)

    def _key_bits(self) -> Value:
        """Low key bits compared, 1 to 24."""
        field = self.command.descriptor.flags[4:9]
        return Mux(field == 0, KEY_BITS, field)

    def _first_place(self) -> Value:
        """Position of the highest digit that the compared bits reach into."""
        digit_bits = self._parameters.digit_bits
        return Array((max(bits, 1) - 1) // digit_bits for bits in range(KEY_BITS + 1))[self._key_bits()]

    def _kept(self, m: Module, candidates: Signal) -> Signal:
        """Number of candidates that the command asks to keep, at most all."""
        descriptor = self.command.descriptor
        kept = Signal.like(candidates)
        beyond = Signal()
        m.d.comb += beyond.eq(descriptor.x > candidates)
        with m.Switch(mode(descriptor)):
            with m.Case(Quota.KEEP):
                m.d.comb += kept.eq(Mux(beyond, candidates, descriptor.x))
            with m.Case(Quota.DROP):
                m.d.comb += kept.eq(Mux(beyond, 0, candidates - descriptor.x))
            with m.Default():
                m.d.comb += kept.eq(candidates - (self.multiplier.product >> KEY_BITS))
        return kept

    def _mark(self, m: Module, first: Signal) -> tuple[Signal, Signal, Signal, Signal]:
        """Masks of the row read, from its bitmaps or the marks memory, and the counts of the first pass.

        Returns tokens to choose from, tokens that stay anyway; candidates, and those forced.
        """
        lanes, descriptor = self._parameters.lanes, self.command.descriptor
        layout = data.StructLayout({"active": lanes, "fixed": lanes})
        m.submodules.marks = marks = memory.Memory(shape=layout, depth=self._parameters.rows, init=[])
        read, write = marks.read_port(), marks.write_port()
        n = descriptor.n[: self._parameters.keys.bit_length()]
        inside = lanes_below(m, "inside", self.row, n, lanes)
        all_but_last = lanes_below(m, "all_but_last", self.row, (n - 1)[: len(n)], lanes)
        candidate = Signal(lanes)
        forced = Signal(lanes)
        active = Signal(lanes)
        fixed = Signal(lanes)
        chosen = Signal(lanes)
        m.d.comb += [
            chosen.eq(Mux(descriptor.sa == NO_SLOT, -1, self.masks[0])),
            candidate.eq(inside & chosen),
            forced.eq(candidate & (self.masks[1] | Mux(has(descriptor, Flag.TOPK_LAST), ~all_but_last, 0))),
            active.eq(Mux(first, candidate & ~forced, read.data.active)),
            fixed.eq(
                Mux(
                    first,
                    forced | Mux(has(descriptor, Flag.TOPK_OUTSIDE), inside & ~chosen, 0),
                    read.data.fixed,
                )
            ),
            read.addr.eq(self.reading),
            write.addr.eq(self.row),
            write.data.active.eq(active),
            write.data.fixed.eq(fixed),
            write.en.eq(self.valid & first),
        ]
        counts = [self._count(m, name, bits, first) for name, bits in (("candidates", candidate), ("forced", forced))]
        return active, fixed, counts[0], counts[1]

    def _count(self, m: Module, name: str, bits: Signal, first: Signal) -> Signal:
        """Count the ones of the first pass."""
        total = Signal(range(self._parameters.keys + 1), name=f"{name}_count")
        ones = Signal(range(self._parameters.lanes + 1), name=f"{name}_ones")
        m.d.sync += ones.eq(Mux(self.valid & first, popcount(m, f"{name}_sum", bits), 0))
        with m.If(self.start):
            m.d.sync += total.eq(0)
        with m.Else():
            m.d.sync += total.eq(total + ones)
        return total

    def _compare(
        self,
        m: Module,
        place: Signal,
        threshold: Signal,
        decided: Signal,
        active: Signal,
        counters: SelectCounters,
        keep: KeepPass,
    ) -> None:
        """Digits and decided digits of the row read, registered on the way to the counters."""
        compared_bits = Signal(KEY_BITS)
        m.d.sync += [compared_bits.eq((1 << self._key_bits()) - 1), counters.valid.eq(self.valid)]
        matches = []
        for lane in range(self._parameters.lanes):
            key = Signal(KEY_BITS, name=f"key_{lane}")
            m.d.comb += [key.eq(self.keys[lane] & compared_bits), keep.keys[lane].eq(key)]
            m.d.sync += counters.digits[lane].eq(key.word_select(place, self._parameters.digit_bits))
            matches.append(((key ^ threshold) & decided) == 0)
        m.d.sync += counters.marked.eq(active & Cat(matches))
