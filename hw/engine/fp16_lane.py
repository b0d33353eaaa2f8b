"""The baseline's lane: FP16 weights and as many activations in, their exact dot product out."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.engine import GENERATOR_LATENCY, adder_levels, fp16_lane_latency
from formats.fp16 import Fp16Format
from hw.engine.lane import adder_tree


class Fp16Lane(wiring.Component):
    """Plain FP16 weights, times integer activations, summed exactly in units of 2^-24.

    A product is an 11-bit significand times the activation, shifted by the weight's exponent; no
    rounding anywhere. The throughput is one word per cycle; the latency is
    ``latency`` cycles from ``word`` to ``sums``.

    Parameters
    ----------
    weight_format
        Weights a word.
    activation_bits
        Signed bits of an activation.
    batch
        Vectors that share a word.

    Members
    -------
    word : In(word_bits)
        C weights of one row, the first lowest; magnitudes below 256.
    activations : In(signed(activation_bits)).array(batch, C)
        Wanted ``GENERATOR_LATENCY`` cycles after the word, as in the seed lane.
    sums : Out(signed(sum_bits)).array(batch)
    """

    def __init__(self, weight_format: Fp16Format, activation_bits: int, batch: int) -> None:
        self._format = weight_format
        self._batch = batch
        # C products of at most 2047 * 2^(activation_bits-1), shifted by at most 21
        self._sum_bits = self._format.accumulator_bits(self._format.block_size, activation_bits)
        super().__init__(
            {
                "word": In(self._format.word_bits),
                "activations": In(signed(activation_bits)).array(batch, self._format.block_size),
                "sums": Out(signed(self._sum_bits)).array(batch),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a word to its sum: decode, product, shift, adder tree."""
        return fp16_lane_latency(self._format)

    @property
    def sum_bits(self) -> int:
        """Signed bits of a word's sum."""
        return self._sum_bits

    def elaborate(self, platform: object) -> Module:
        """Decode, multiply, shift, add."""
        m = Module()
        word: Value = self.word
        for stage in range(GENERATOR_LATENCY - 1):
            delayed = Signal(self._format.word_bits, name=f"word_{stage}")
            m.d.sync += delayed.eq(word)
            word = delayed
        weights = [self._decode(m, word.word_select(c, 16), c) for c in range(self._format.block_size)]
        for vector in range(self._batch):
            terms = []
            for c, (significand, places) in enumerate(weights):
                activation = self.activations[vector][c]
                product = Signal((significand * activation).shape(), name=f"product_{vector}_{c}")
                shifted = Signal(
                    signed(product.shape().width + self._format.maximum_exponent - 1), name=f"shifted_{vector}_{c}"
                )
                m.d.sync += [product.eq(significand * activation), shifted.eq(product << places)]
                terms.append(shifted)
            m.d.comb += self.sums[vector].eq(
                adder_tree(m, terms, f"tree_{vector}", adder_levels(self._format.block_size))
            )
        return m

    def _decode(self, m: Module, weight: Value, c: int) -> tuple[Signal, Signal]:
        """Signed significand, and the places its product is shifted by one cycle later."""
        fraction, exponent, sign = weight[:10], weight[10:15], weight[15]
        normal = exponent != 0
        magnitude = Cat(fraction, normal, Const(0, 1))
        significand = Signal(signed(12), name=f"significand_{c}")
        places_early = Signal(5, name=f"places_early_{c}")
        places = Signal(5, name=f"places_{c}")
        m.d.sync += [
            significand.eq(Mux(sign, -magnitude, magnitude)),
            places_early.eq(Mux(normal, exponent - 1, 0)),
            places.eq(places_early),
        ]
        return significand, places
