"""Claims about both halves of top-k: the search for a digit of the threshold, and the pass that keeps."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from hw.router.arithmetic.popcount import popcount
from hw.router.parameters import UnitParameters
from hw.router.primitives.keep import KEEP_LATENCY, KeepPass
from hw.router.primitives.select_counters import COUNTING_LATENCY, SelectCounters
from synth.claims import Claim


class SearchFindsTheDigit(Claim):
    """The digit found is the largest that ``quota`` or more marked digits reach; ``above`` counts those beyond it.

    Digits, marks and quota are any; the quota is at most the marks, as it is in a select.

    Parameters
    ----------
    parameters
        A router of few keys.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        self.end = 2 + parameters.rows + COUNTING_LATENCY + parameters.digit_bits
        """Cycle in which the digit is there."""
        super().__init__(
            {
                "marked": parameters.lanes,
                "digits": parameters.lanes * parameters.digit_bits,
                "quota": range(parameters.keys + 1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Rows in cycles 1 to R, then the search; all digits kept for the judgement."""
        m = Module()
        lanes, depth, rows = self._parameters.lanes, self._parameters.digit_bits, self._parameters.rows
        m.submodules.counters = counters = SelectCounters(self._parameters)
        cycle = Signal(range(self.end + 2))
        marks = Signal(lanes * rows)
        digits = Signal(lanes * rows * depth)
        quota = Signal.like(counters.quota)
        counting = (cycle >= 1) & (cycle <= rows)
        m.d.sync += cycle.eq(cycle + (cycle <= self.end))
        with m.If(counting):
            m.d.sync += [
                marks.eq(Cat(marks[lanes:], self.marked)),
                digits.eq(Cat(digits[lanes * depth :], self.digits)),
            ]
        with m.If(cycle == 0):
            m.d.sync += quota.eq(self.quota)
        m.d.comb += [
            counters.clear.eq(cycle == 0),
            counters.valid.eq(counting),
            counters.marked.eq(Mux(counting, self.marked, 0)),
            Cat(counters.digits).eq(self.digits),
            counters.quota.eq(quota),
            counters.search.eq((cycle >= self.end - depth) & (cycle < self.end)),
        ]
        reaching = [popcount(m, "marks", marks)]
        for digit in range(1, 1 << depth):
            reach = [marks[i] & (digits.word_select(i, depth) >= digit) for i in range(lanes * rows)]
            reaching.append(popcount(m, f"reaching_{digit}", Cat(reach)))
        right: Value = quota > reaching[0]  # never in a select
        for digit, count in enumerate(reaching):
            largest = digit == len(reaching) - 1
            beyond = 0 if largest else reaching[digit + 1]
            found = (counters.digit == digit) & (counters.above == beyond)
            right = right | (found & (count >= quota) & (largest | (beyond < quota)))
        m.d.comb += self.holds.eq((cycle != self.end) | right)
        return m


class KeepPassKeepsExactly(Claim):
    """Kept are the fixed, the active above the threshold, and the first ``quota`` active equal to it; none other.

    Thus, with the quota that the select leaves, as many as were asked for.

    Parameters
    ----------
    parameters
        A router of few keys.
    key_bits
        Bits of the keys and of the threshold; the others are 0.
    """

    def __init__(self, parameters: UnitParameters, key_bits: int) -> None:
        self._parameters, self._key_bits = parameters, key_bits
        self.end = 1 + parameters.rows + KEEP_LATENCY
        """Cycle of the last row's result."""
        super().__init__(
            {
                "keys": parameters.lanes * key_bits,
                "active": parameters.lanes,
                "fixed": parameters.lanes,
                "threshold": key_bits,
                "quota": range(parameters.keys + 1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Start in cycle 0, rows in cycles 1 to R; each result beside the equals before it."""
        m = Module()
        lanes, bits = self._parameters.lanes, self._key_bits
        m.submodules.keep = keep = KeepPass(self._parameters)
        cycle = Signal(range(self.end + 2))
        threshold, quota = Signal(bits), Signal.like(keep.quota)
        valid = (cycle >= 1) & (cycle <= self._parameters.rows)
        m.d.sync += cycle.eq(cycle + (cycle <= self.end))
        with m.If(cycle == 0):
            m.d.sync += [threshold.eq(self.threshold), quota.eq(self.quota)]
        m.d.comb += [
            keep.start.eq(cycle == 0),
            keep.quota.eq(self.quota),
            keep.threshold.eq(threshold),
            keep.valid.eq(valid),
            keep.active.eq(self.active),
            keep.fixed.eq(self.fixed),
        ]
        keys = [self.keys.word_select(lane, bits) for lane in range(lanes)]
        m.d.comb += [keep.keys[lane].eq(key) for lane, key in enumerate(keys)]
        earlier = Signal.like(quota)  # active keys equal to the threshold in the rows before
        kept: list[Value] = []
        equals: Value = earlier
        for lane, key in enumerate(keys):
            equal = self.active[lane] & (key == threshold)
            certain = self.fixed[lane] | (self.active[lane] & (key > threshold))
            kept.append(certain | (equal & (equals < quota)))
            equals = equals + equal
        with m.If(valid):
            m.d.sync += earlier.eq(equals)
        expected: Value = Mux(valid, Cat(kept), 0)
        for stage in range(KEEP_LATENCY):
            delayed = Signal(lanes, name=f"expected_{stage}")
            m.d.sync += delayed.eq(expected)
            expected = delayed
        due = (cycle > KEEP_LATENCY) & (cycle <= self.end - 1)
        m.d.comb += self.holds.eq((keep.o.valid == due) & (~due | (keep.o.bits == expected)))
        return m
