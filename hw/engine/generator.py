"""Weight generators: a block word in, the block's integer weights out.

No register is shifted. The C·P states after a seed are windows of one bit stream whose bits are
XORs of seed bits, so all of them are formed at once (*leap-ahead*). A weight is then read from the
few bits around its window:

* ``PlainGenerator``: windows of K bits that overlap in all but P - 1 bits at either end. One product
  of the common middle and two small tables replace P products.
* ``OddGenerator``: windows of a few ±1 entries. Tables of sums of up to three coefficients, no
  product at all.
"""

from collections.abc import Callable
from operator import add, xor

from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.block import BlockFormat, signed_bits
from formats.engine import GENERATOR_LATENCY


def stream_equations(block_format: BlockFormat, length: int) -> list[int]:
    """Seed bits whose XOR is stream bit n, as a mask, for n below ``length``.

    State n is the window ``x[n .. n+K-1]``; the seed is state 0.
    """
    K = block_format.lfsr_bits
    masks = [1 << n for n in range(K)]
    for n in range(K, length):
        mask = 0
        for tap in block_format.taps:
            mask ^= masks[n - K + tap]
        masks.append(mask)
    return masks[:length]


def leap(seed: Value, block_format: BlockFormat, length: int) -> Value:
    """The first ``length`` stream bits of a seed, bit n at position n.

    Written as one masked constant a seed bit: flat XORs in logic, a few word operations in a
    simulator.
    """
    masks = stream_equations(block_format, length)
    terms: list[Value] = []
    for bit in range(block_format.lfsr_bits):
        column = sum((mask >> bit & 1) << n for n, mask in enumerate(masks))
        terms.append(Mux(seed[bit], Const(column, length), Const(0, length)))
    return _balanced(xor, terms)


def _balanced(operation: Callable[[Value, Value], Value], values: list[Value]) -> Value:
    """Join values by a balanced tree of an operation."""
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2], strict=False)
        values = [operation(a, b) for a, b in pairs] + values[len(values) & ~1 :]
    return values[0]


class Generator(wiring.Component):
    """Common ports of both generators.

    The latency is ``GENERATOR_LATENCY`` cycles and the throughput one block a cycle.

    Parameters
    ----------
    block_format
        Format of the words.

    Members
    -------
    word : In(word_bits)
    weights : Out(signed(sum_bits)).array(C)
        Integer weights before the exponent.
    shift : Out(exponent_bits)
        Left shift that the exponent stands for, aligned with ``weights``; only where the format has
        exponents.
    """

    def __init__(self, block_format: BlockFormat) -> None:
        self._format = block_format
        members = {
            "word": In(block_format.word_bits),
            "weights": Out(signed(block_format.sum_bits)).array(block_format.block_size),
        }
        if block_format.exponent_bits:
            members["shift"] = Out(block_format.exponent_bits)
        super().__init__(members)

    @property
    def block_format(self) -> BlockFormat:
        """Format of the words."""
        return self._format

    def _coefficients(self) -> list[Value]:
        """The stored coefficients of the word at the port."""
        bits, first = self._format.coefficient_bits, self._format.lfsr_bits + self._format.exponent_bits
        return [self.word[first + p * bits :][:bits].as_signed() for p in range(self._format.latent_dim)]

    def _stream(self, m: Module, length: int) -> Signal:
        """Stream bits, ready with the tables two cycles after the word."""
        seed = Signal(self._format.lfsr_bits)
        stream = Signal(length)
        m.d.sync += [seed.eq(self.word[: self._format.lfsr_bits]), stream.eq(leap(seed, self._format, length))]
        return stream


def _table(m: Module, name: str, entries: list[Value], shape: Shape) -> Signal:
    """Register a small table as one packed signal, entry 0 lowest: simulators shift it, logic muxes it."""
    table = Signal(shape.width * len(entries), name=name)
    for index, entry in enumerate(entries):
        resized = Signal(shape, name=f"{name}_{index}")
        m.d.comb += resized.eq(entry)
        m.d.sync += table[index * shape.width :][: shape.width].eq(resized)
    return table


class PlainGenerator(Generator):
    """Generator of the paper formats: ``sum_p (V[c, p] - 2^(K-1)) * q_p``.

    With ``M`` the K-P+1 bits that all P windows of a row share, ``lo`` the P-1 bits below and ``hi``
    the P-1 bits above,

    ``sum_p V[c, p] q_p = k M + T_lo[lo] + 2^(K-P+1) T_hi[hi]``,  ``k = sum_p q_p 2^(P-1-p)``,

    and the offset ``-2^(K-1)`` is part of ``T_hi``.
    """

    def elaborate(self, platform: object) -> Module:
        """Cycle 2 leap and tables, 3 product and lookups, 4 sum."""
        m = Module()
        C, P, K = self._format.block_size, self._format.latent_dim, self._format.lfsr_bits
        stream = self._stream(m, C * P + K)
        k, low, high = self._tables(m)
        table_shape = self._table_shape
        middle_bits = K - P + 1
        for c in range(C):
            first = c * P + 1
            product = Signal(signed(Shape.cast(k.shape()).width + middle_bits), name=f"product_{c}")
            low_term = Signal(table_shape, name=f"low_term_{c}")
            high_term = Signal(table_shape, name=f"high_term_{c}")
            middle = Signal(middle_bits + 1, name=f"middle_{c}")
            below, above = stream[first:][: P - 1], stream[first + K :][: P - 1]
            m.d.comb += middle.eq(stream[first + P - 1 :][:middle_bits])
            m.d.sync += [
                product.eq(k * middle.as_signed()),
                low_term.eq(low.word_select(below, table_shape.width).as_signed()),
                high_term.eq(high.word_select(above, table_shape.width).as_signed()),
                self.weights[c].eq(product + low_term + (high_term << middle_bits)),
            ]
        return m

    @property
    def _table_shape(self) -> Shape:
        """Bound of a table entry: the offset ``2^(P-2) * sum_p q_p`` with every ``|q_p|`` at 2^(B-1)."""
        P = self._format.latent_dim
        return signed(signed_bits(P << (self._format.coefficient_bits - 1 + P - 2)))

    def _tables(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """Register k and both tables, two cycles after the word; the shift on the way to the weights."""
        P = self._format.latent_dim
        held = [Signal(q.shape(), name=f"q_{p}") for p, q in enumerate(self._coefficients())]
        m.d.sync += [signal.eq(q) for signal, q in zip(held, self._coefficients(), strict=True)]
        k = Signal(signed(self._format.coefficient_bits + P))
        m.d.sync += k.eq(_sum([q << (P - 1 - p) for p, q in enumerate(held)]))
        low_taps = [_sum([held[p] << (i - p) for p in range(i + 1)]) for i in range(P - 1)]
        high_taps = [_sum([held[p] << (i + P - 1 - p) for p in range(i + 1, P)]) for i in range(P - 1)]
        offset = _sum(held) << (P - 2)
        low, high = [], []
        for index in range(1 << (P - 1)):
            chosen = [i for i in range(P - 1) if index >> i & 1]
            low.append(_sum([low_taps[i] for i in chosen]))
            high.append(_sum([high_taps[i] for i in chosen]) - offset)
        exponent_bits = self._format.exponent_bits
        if exponent_bits:
            # two's complement exponent minus the least exponent: the top bit inverted
            exponent = self.word[self._format.lfsr_bits :][:exponent_bits] ^ (1 << (exponent_bits - 1))
            for stage in range(GENERATOR_LATENCY - 1):
                delayed = Signal(exponent_bits, name=f"shift_{stage}")
                m.d.sync += delayed.eq(exponent)
                exponent = delayed
            m.d.sync += self.shift.eq(exponent)
        return k, _table(m, "low_table", low, self._table_shape), _table(m, "high_table", high, self._table_shape)


def _sum(values: list[Value]) -> Value:
    """Balanced sum; 0 of nothing."""
    return _balanced(add, values) if values else Const(0)


class OddGenerator(Generator):
    """Generator of the scaled formats: ``sum_p (2 v - 2^b + 1) (2 q_p + 1)``.

    With ``s = ±1`` for a stream bit, ``2 v - 2^b + 1 = sum_i 2^i s[n+i]``, so a weight is b sums
    ``G(n) = sum_p m_p s[n+p]`` of odd coefficients ``m = 2 q + 1``, shifted and added. ``G`` is cut
    into groups of up to three coefficients, whose four sums up to sign stand in a table.
    """

    def elaborate(self, platform: object) -> Module:
        """Cycle 2 leap and tables, 3 lookups and first sums, 4 sum."""
        m = Module()
        C, P, b = self._format.block_size, self._format.latent_dim, self._format.entry_bits
        stream = self._stream(m, C * P + b)
        groups = [list(range(first, min(first + 3, P))) for first in range(0, P, 3)]
        held = [Signal(q.shape(), name=f"q_{p}") for p, q in enumerate(self._coefficients())]
        m.d.sync += [signal.eq(q) for signal, q in zip(held, self._coefficients(), strict=True)]
        # A sum of n odd terms is 2 h + (n odd): h alone is stored. |h| < n * 2^(B-1) + 1.
        shape = signed(self._format.coefficient_bits + 2)
        tables = [_table(m, f"table_{g}", _signed_sums(held, group), shape) for g, group in enumerate(groups)]
        for c in range(C):
            partial = []
            for i in range(b):
                halves = []
                for g, group in enumerate(groups):
                    first = c * P + 1 + i + group[0]
                    halves.append(_signed_lookup(tables[g], stream[first:][: len(group)], group, shape.width))
                half = Signal(signed(shape.width + len(groups) - 1), name=f"half_{c}_{i}")
                m.d.sync += half.eq(_sum(halves))
                partial.append(half << i)
            odd_groups = sum(len(group) % 2 for group in groups)
            constant = odd_groups * ((1 << b) - 1)
            m.d.sync += self.weights[c].eq((_sum(partial) << 1) + constant)
        return m


def _free_signs(group: list[int]) -> int:
    """Signs that index a group's table.

    An odd number of odd terms sums to ``2 h + 1``, whose negative is ``2 (~h) + 1``: the last sign
    needs no entries of its own. An even number sums to ``2 h``, where it does.
    """
    return len(group) - len(group) % 2


def _signed_sums(coefficients: list[Signal], group: list[int]) -> list[Value]:
    """Halved sums of a group's odd coefficients for every choice of its free signs, the others plus."""
    sums = []
    free = _free_signs(group)
    for index in range(1 << free):
        # -m = 2 (~q) + 1: the negative of an odd coefficient is an inversion
        terms = [coefficients[p] if j >= free or index >> j & 1 else ~coefficients[p] for j, p in enumerate(group)]
        sums.append(_sum(terms) + len(group) // 2)
    return sums


def _signed_lookup(table: Signal, signs: Value, group: list[int], width: int) -> Value:
    """Halved sum of a group for stream bits ``signs``; a minus at the odd place inverts index and entry."""
    free = _free_signs(group)
    if free == len(group):
        return table.word_select(signs, width).as_signed()
    minus = ~signs[free]
    index = signs[:free] ^ minus.replicate(free)
    return (table.word_select(index, width) ^ minus.replicate(width)).as_signed()


def block_generator(block_format: BlockFormat) -> Generator:
    """The generator of a seed format."""
    return (OddGenerator if block_format.odd_coefficients else PlainGenerator)(block_format)
