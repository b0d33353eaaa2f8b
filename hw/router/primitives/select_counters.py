"""Select counters: how many keys reach each digit, and the search for the digit at which enough do."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.router.arithmetic.popcount import popcount
from hw.router.parameters import UnitParameters

COUNTING_LATENCY = 3


class SelectCounters(wiring.Component):
    """Counts digits cumulatively, then finds one by bisection.

    Counter t holds how many of the digits seen are at least t, for t = 1 … 2^D - 1. A row's digits
    are counted ``COUNTING_LATENCY`` cycles after they came in, a row per cycle. Then D cycles of
    ``search`` leave in ``digit`` the largest t that ``quota`` digits or more reach (0 is always
    reached), and in ``above`` how many are greater. The search uses the counters up.

    The counters are held as a heap: the root is the middle of those still in question, and a step
    moves one of its subtrees up. So one comparison at one place serves every step.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    clear : In(1)
        All counters to 0; not while digits are under way.
    valid : In(1)
    marked : In(lanes)
        Lanes whose digit counts.
    digits : In(ArrayLayout(digit_bits, lanes))
    counting : Out(1)
        Digits are under way that the next cycle will not have counted.
    search : In(1)
    quota : In(range(keys + 1))
    digit : Out(digit_bits)
    above : Out(range(keys + 1))
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        count = range(parameters.keys + 1)
        super().__init__(
            {
                "clear": In(1),
                "valid": In(1),
                "marked": In(parameters.lanes),
                "digits": In(data.ArrayLayout(parameters.digit_bits, parameters.lanes)),
                "counting": Out(1),
                "search": In(1),
                "quota": In(count),
                "digit": Out(parameters.digit_bits),
                "above": Out(count),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Thermometer, ones, sums; then bisection."""
        m = Module()
        depth = self._parameters.digit_bits
        heap = {node: Signal.like(self.above, name=f"counter_{node}") for node in range(1, 1 << depth)}
        reached = Signal()
        counted = Signal()
        m.d.sync += [reached.eq(self.valid), counted.eq(reached)]
        m.d.comb += self.counting.eq(self.valid | reached)
        enough = Signal()
        m.d.comb += enough.eq(heap[1] >= self.quota)
        for node, counter in heap.items():
            level = node.bit_length() - 1
            ones = self._ones(m, node, threshold=(2 * (node - (1 << level)) + 1) << (depth - 1 - level))
            with m.If(self.clear):
                m.d.sync += counter.eq(0)
            with m.Elif(counted):
                m.d.sync += counter.eq(counter + ones)
            if level < depth - 1:
                left = node + (1 << level)
                with m.If(self.search):
                    m.d.sync += counter.eq(Mux(enough, heap[left + (1 << level)], heap[left]))
        with m.If(self.clear):
            m.d.sync += self.above.eq(0)
        with m.Elif(self.search):
            m.d.sync += self.digit.eq(Cat(enough, self.digit))
            with m.If(~enough):
                m.d.sync += self.above.eq(heap[1])
        return m

    def _ones(self, m: Module, node: int, threshold: int) -> Signal:
        """Marked digits of a row that are at least ``threshold``, two cycles after they came in."""
        lanes = self._parameters.lanes
        reaching = Signal(lanes, name=f"reaching_{threshold}")
        ones = Signal(range(lanes + 1), name=f"ones_{threshold}")
        digits = [self.digits[lane] >= threshold for lane in range(lanes)]
        m.d.sync += [
            reaching.eq(self.marked & Cat(digits)),
            ones.eq(popcount(m, f"sum_{threshold}", reaching)),
        ]
        return ones
