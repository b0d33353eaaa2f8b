"""The lane: a block word and C activations in, the block's dot product out, every cycle."""

from collections.abc import Callable, Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.block import BlockFormat, signed_bits
from formats.engine import adder_levels, lane_latency, products_per_weight
from formats.palette_format import PaletteFormat
from formats.trellis import TrellisFormat
from formats.weight_format import LaneFormat
from hw.engine.generator import Generator, block_generator
from hw.engine.palette import PaletteReader
from hw.engine.trellis import TrellisGenerator
from hw.mux import choose

WeightSource = Generator | PaletteReader | TrellisGenerator

WEIGHT_SOURCES: dict[type, Callable[..., WeightSource]] = {
    BlockFormat: block_generator,
    PaletteFormat: PaletteReader,
    TrellisFormat: TrellisGenerator,
}
"""What makes weights out of words, by the family of the format. A further family adds its line."""


def weight_sources(lane_formats: Sequence[LaneFormat]) -> list[tuple[WeightSource, list[LaneFormat]]]:
    """What makes the weights of a lane, each with the formats it serves: one a format, but one a trellis code."""
    served: dict[object, list[LaneFormat]] = {}
    for lane_format in lane_formats:
        shared = lane_format.code if isinstance(lane_format, TrellisFormat) else lane_format
        served.setdefault(shared, []).append(lane_format)
    return [(WEIGHT_SOURCES[type(formats[0])](*formats), formats) for formats in served.values()]


def adder_tree(m: Module, terms: Sequence[Value], name: str, levels: int) -> Value:
    """Sum of terms, one registered level of pairs a cycle, ``levels`` cycles in all."""
    for level in range(levels):
        sums: list[Value] = []
        for index in range(0, len(terms), 2):
            pair = terms[index] + terms[index + 1] if index + 1 < len(terms) else terms[index]
            register = Signal(pair.shape(), name=f"{name}_{level}_{index // 2}")
            m.d.sync += register.eq(pair)
            sums.append(register)
        terms = sums
    return terms[0]


class Lane(wiring.Component):
    """Weights from seeds, trellises or palettes, times activations, summed over a block.

    The C products are summed before the exponent's shift, so a lane has one shifter. All weight sources
    share the multipliers. The throughput is one block a cycle; the latency is ``latency``
    cycles from ``word`` to ``sums`` and ``latency - GENERATOR_LATENCY`` from ``activations``.

    Parameters
    ----------
    lane_formats
        Formats the lane decodes.
    activation_bits
        Signed bits of an activation.
    batch
        Vectors that share a decoded block.
    multiplier_bits
        Widest weight that one multiplier takes, see ``EngineParameters``.

    Members
    -------
    word : In(widest word)
    format : In(range(formats))
        Position of the word's format in ``lane_formats``; steady while a matrix streams.
    table : In(16).array(entries)
        Of the palettes, if the lane reads any; wanted ``PaletteReader.LOOK_UP`` cycles after the word.
    first, valid : In(1), In(1)
        The word is its row's first; there is a word. Only where a format's words depend on those before.
    activations : In(signed(activation_bits)).array(batch, C)
        Wanted ``GENERATOR_LATENCY`` cycles after the word.
    sums : Out(signed(sum_bits)).array(batch)
    """

    def __init__(
        self, lane_formats: Sequence[LaneFormat], activation_bits: int, batch: int, multiplier_bits: int = 25
    ) -> None:
        self._formats = tuple(lane_formats)
        self._activation_bits = activation_bits
        self._batch = batch
        self._multiplier_bits = multiplier_bits
        self._block_size = max(f.block_size for f in self._formats)
        self._shift_bits = max(f.exponent_bits for f in self._formats)
        # C products of a weight and an activation, before and after the greatest shift
        self._sum_bits = max(
            signed_bits(f.block_size * f.maximum_weight << (activation_bits - 1)) for f in self._formats
        )
        entries = max(f.table_entries for f in self._formats)
        super().__init__(
            {
                "word": In(max(f.word_bits for f in self._formats)),
                "format": In(range(len(self._formats))),
                **({"table": In(16).array(entries)} if entries else {}),
                **({"first": In(1), "valid": In(1)} if self.keeps_bits else {}),
                "activations": In(signed(activation_bits)).array(batch, self._block_size),
                "sums": Out(signed(self._sum_bits)).array(batch),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a word to its sum: generator, product, adder tree, shift."""
        return lane_latency(self._formats, self._multiplier_bits)

    @property
    def keeps_bits(self) -> bool:
        """Whether words depend on those before."""
        return any(lane_format.register_bits for lane_format in self._formats)

    @property
    def sum_bits(self) -> int:
        """Signed bits of a block's sum."""
        return self._sum_bits

    def elaborate(self, platform: object) -> Module:
        """Generators, multipliers, tree, shifter."""
        m = Module()
        weights, shift = self._weights(m)
        parts = [part for weight in weights for part in self._parts(weight)]
        levels = adder_levels(len(parts))
        for _ in range(levels + 1 if self._shift_bits else 0):
            delayed = Signal(self._shift_bits)
            m.d.sync += delayed.eq(shift)
            shift = delayed
        for vector in range(self._batch):
            products = []
            for index, (part, places) in enumerate(parts):
                activation = self.activations[vector][index * self._block_size // len(parts)]
                product = Signal((part * activation).shape(), name=f"product_{vector}_{index}")
                m.d.sync += product.eq(part * activation)
                products.append(product << places)
            total = adder_tree(m, products, f"tree_{vector}", levels)
            if self._shift_bits:
                m.d.sync += self.sums[vector].eq(total << shift)
            else:
                m.d.comb += self.sums[vector].eq(total)
        return m

    def _parts(self, weight: Value) -> list[tuple[Value, int]]:
        """What a weight is multiplied as: itself, or its low bits and, so many places up, the rest."""
        if products_per_weight(self._formats, self._multiplier_bits) == 1:
            return [(weight, 0)]
        places = self._multiplier_bits - 1  # a bit is left for the sign that the low part lacks
        return [(weight[:places], 0), (weight[places:].as_signed(), places)]

    def _weights(self, m: Module) -> tuple[list[Value], Value]:
        """The weights and the shift of the word's format; weights past its block size are 0."""
        source_of: dict[LaneFormat, WeightSource] = {}
        for index, (source, formats) in enumerate(weight_sources(self._formats)):
            m.submodules[f"generator_{index}"] = source
            m.d.comb += source.word.eq(self.word)
            if isinstance(source, PaletteReader):
                m.d.comb += [mine.eq(entry) for mine, entry in zip(source.table, self.table, strict=False)]
            if isinstance(source, TrellisGenerator):
                rates = [Const(formats.index(f) if f in formats else 0) for f in self._formats]
                m.d.comb += [source.first.eq(self.first), source.valid.eq(self.valid)]
                m.d.comb += source.rate.eq(choose(self.format, rates))
            source_of |= dict.fromkeys(formats, source)
        sources = [source_of[lane_format] for lane_format in self._formats]
        if len(set(map(id, sources))) == 1:
            only = sources[0]
            return list(only.weights), only.shift if self._shift_bits else Cat()
        width = max(f.sum_bits for f in self._formats)
        weights = []
        for c in range(self._block_size):
            choices = [s.weights[c] if c < len(s.weights) else Const(0) for s in sources]
            weight = Signal(signed(width), name=f"weight_{c}")
            m.d.comb += weight.eq(choose(self.format, choices))
            weights.append(weight)
        shifts = [s.shift if f.exponent_bits else Const(0) for s, f in zip(sources, self._formats, strict=True)]
        shift = Signal(self._shift_bits)
        m.d.comb += shift.eq(choose(self.format, shifts))
        return weights, shift
