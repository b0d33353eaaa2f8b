"""1/√ of a sum of squares and an ε: the one number that an RMSNorm needs of a vector."""

from itertools import pairwise

from amaranth.hdl import Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory, ReadPort
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import FACTOR_BITS, NORMAL_BITS, RECIPROCAL_ROOT

TOTAL_BITS = 51
"""Of the squares of 2^16 elements of 17 bits, and ε beside them."""

EPS_BITS, EPS_ROOM = 24, 24
"""Bits of ε, and places by which it moves up at most."""

EXPONENT = signed(14)
"""Room for twice an exponent of a vector."""

DROP_BITS = 10
"""Of the difference of two neighbours in the table."""


class ReciprocalRoot(wiring.Component):
    """Takes a number and an ε, with even exponents, and finds a factor of 17 bits and its exponent.

    Two places in two cycles: at most 52 cycles align the number, 24 ε, 28 find its leading bits, 7 do the rest.
    Equal to the first half of ``golden_models.integer_decoder.operations.rms_norm``.

    Members
    -------
    start : In(1)
        Read the members below; only when no other root is under way.
    number, exponent : In(51), In(signed(14))
    eps, eps_exponent : In(24), In(signed(14))
    done : Out(1)
        For one cycle; ``factor`` and ``factor_exponent`` stay until the next start.
    factor, factor_exponent : Out(17), Out(signed(14))
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "number": In(TOTAL_BITS),
                "exponent": In(EXPONENT),
                "eps": In(EPS_BITS),
                "eps_exponent": In(EXPONENT),
                "done": Out(1),
                "factor": Out(FACTOR_BITS),
                "factor_exponent": Out(EXPONENT),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Align both terms, add, normalise to between 1 and 4, look up."""
        m = Module()
        total, total_half = Signal(TOTAL_BITS), Signal()  # the half is the bit that was last shifted out
        eps, eps_half = Signal(EPS_BITS + EPS_ROOM), Signal()
        exponent, eps_exponent, halvings = Signal(EXPONENT), Signal(EXPONENT), Signal(signed(7))
        argument, read = self._table(m, total, total_half)
        lowest = Signal(EXPONENT)
        # what decides on a step is looked at in a cycle before it
        reached, nothing, aligned, neither, above, long, short = (Signal() for _ in range(7))
        m.d.comb += lowest.eq(eps_exponent - EPS_ROOM)
        m.d.sync += [
            reached.eq(exponent >= lowest),
            nothing.eq((total == 0) & ~total_half),
            aligned.eq((eps_exponent == exponent) | ((eps == 0) & ~eps_half)),
            neither.eq((total | eps | eps_half) == 0),
            above.eq(eps_exponent > exponent),
            long.eq(total[NORMAL_BITS + 2 :].any()),
            short.eq(~total[NORMAL_BITS : NORMAL_BITS + 2].any()),
        ]
        with m.FSM():
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += [
                    total.eq(self.number),
                    total_half.eq(0),
                    exponent.eq(self.exponent),
                    eps.eq(self.eps),
                    eps_half.eq(0),
                    eps_exponent.eq(self.eps_exponent),
                    halvings.eq(0),
                ]
                m.next = "ALIGN_NUMBER"
            with m.State("ALIGN_NUMBER"), m.If(self._looked(m)):
                with m.If(reached):
                    m.d.sync += [total.eq(total + total_half), total_half.eq(0)]
                    m.next = "ALIGN_EPS"
                with m.Elif(nothing):
                    m.d.sync += exponent.eq(lowest)
                with m.Else():
                    m.d.sync += [total.eq(total >> 2), total_half.eq(total[1]), exponent.eq(exponent + 2)]
            with m.State("ALIGN_EPS"), m.If(self._looked(m)):
                with m.If(aligned):
                    m.d.sync += total.eq(Mux(neither, 1, total + eps + eps_half))
                    m.next = "NORMALISE"
                with m.Elif(above):
                    m.d.sync += [eps.eq(eps << 2), eps_exponent.eq(eps_exponent - 2)]
                with m.Else():
                    m.d.sync += [eps.eq(eps >> 2), eps_half.eq(eps[1]), eps_exponent.eq(eps_exponent + 2)]
            with m.State("NORMALISE"), m.If(self._looked(m)):
                with m.If(long):
                    m.d.sync += [total.eq(total >> 2), total_half.eq(total[1]), halvings.eq(halvings + 1)]
                with m.Elif(short):
                    m.d.sync += [total.eq(total << 2), halvings.eq(halvings - 1)]
                with m.Else():
                    m.next = "LOOK_UP"
            self._interpolate(m, argument, read)
        m.d.comb += self.factor_exponent.eq(-(exponent >> 1) - halvings - (NORMAL_BITS // 2 + FACTOR_BITS))
        return m

    def _looked(self, m: Module) -> Value:
        """Whether this is the second of a step's two cycles; each state has an even number of them."""
        second = Signal()
        m.d.sync += second.eq(~second)
        return second

    def _table(self, m: Module, total: Signal, total_half: Signal) -> tuple[Signal, ReadPort]:
        """Where ``total``, between 2^24 and 2^26, lies in the table, and the port that reads there."""
        values = RECIPROCAL_ROOT.values
        words = [value | (value - after) << FACTOR_BITS for value, after in pairwise(values)]
        m.submodules.table = table = Memory(shape=unsigned(FACTOR_BITS + DROP_BITS), depth=len(words), init=words)
        read = table.read_port()
        rounded, argument = Signal(NORMAL_BITS + 3), Signal(NORMAL_BITS + 2)
        m.d.comb += [
            rounded.eq(total[: NORMAL_BITS + 2] + total_half),
            read.addr.eq(argument >> RECIPROCAL_ROOT.fraction_bits),
        ]
        # rounding may reach 4, where the table ends; in the last step's two cycles the total stays
        m.d.sync += argument.eq(Mux(rounded[-1], (1 << NORMAL_BITS + 2) - 1, rounded) - (1 << NORMAL_BITS))
        return argument, read

    def _interpolate(self, m: Module, argument: Signal, read: ReadPort) -> None:
        """A straight line between two values; they fall, so the table holds by how much."""
        fraction_bits = RECIPROCAL_ROOT.fraction_bits
        product, half = Signal(DROP_BITS + fraction_bits), 1 << fraction_bits - 1
        word = Signal.like(read.data)
        m.d.sync += word.eq(read.data)
        with m.State("LOOK_UP"):
            m.next = "FETCH"
        with m.State("FETCH"):
            m.next = "MULTIPLY"
        with m.State("MULTIPLY"):
            m.d.sync += product.eq(word[FACTOR_BITS:] * argument[:fraction_bits])
            m.next = "ADD"
        with m.State("ADD"):
            m.d.sync += self.factor.eq(word[:FACTOR_BITS] + ((half - product) >> fraction_bits))
            m.next = "DONE"
        with m.State("DONE"):
            m.d.comb += self.done.eq(1)
            m.next = "IDLE"
