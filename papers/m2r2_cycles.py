"""What M2R2 costs on the engine, counted for a decoder's shapes: streams, drafts, verification and experts."""

from dataclasses import dataclass

from formats.engine import EngineParameters
from formats.weight_format import WeightFormat
from sw_runtime.device.cost import pass_cost
from sw_runtime.methods.decoder import Decoder, Product

COUNTED = EngineParameters(("scaled-4bit", "fp16"), batch=8, maximum_columns=1536, maximum_rows=49152)
"""What the cycles of drafting and verifying are counted for."""

EXPERTS, ACTIVE = 32, 4
"""Of each MLP, one in eight at work as in OLMoE (unverified)."""


@dataclass(frozen=True)
class Cycles:
    """Cycles of the engine for a decoder's matrices, adapters in FP16 and everything else as seeds.

    Parameters
    ----------
    decoder
        Whose shapes count.
    rank
        Of the adapters.
    """

    decoder: Decoder
    rank: int

    def layer(self, vectors: int) -> int:
        """One layer of the frozen model for some vectors that share the pass over its weights."""
        products = self.decoder.layers[0].products
        return sum(self._pass("scaled-4bit", _shape(product), vectors) for product in products)

    def keys_values(self) -> int:
        """Keys and values of one layer for one vector: both streams see those of the slow one."""
        layer = self.decoder.layers[0]
        return sum(self._pass("scaled-4bit", _shape(product), 1) for product in (layer.key, layer.value))

    def both_streams(self) -> int:
        """One layer for both streams of a token, which share the pass over its weights."""
        layer = self.decoder.layers[0]
        products = (layer.query, layer.output, layer.gate, layer.up, layer.down)
        return sum(self._pass("scaled-4bit", _shape(product), 2) for product in products) + self.keys_values()

    def streams_apart(self) -> int:
        """The same where each stream takes a pass of its own."""
        return 2 * self.layer(1) - self.keys_values()

    def adapter(self) -> int:
        """One adapter for one vector."""
        width = self.decoder.embedding.shape[1]
        return self._pass("fp16", (self.rank, width), 1) + self._pass("fp16", (width, self.rank), 1)

    def before_experts(self, streams: int) -> int:
        """Projections of one layer's attention for one stream or both of a token, and its gate of experts."""
        layer = self.decoder.layers[0]
        queries = sum(self._pass("scaled-4bit", _shape(product), streams) for product in (layer.query, layer.output))
        return queries + self.keys_values() + self.gate(streams)

    def gate(self, vectors: int) -> int:
        """A gate of experts."""
        return self._pass("scaled-4bit", (EXPERTS, self.decoder.embedding.shape[1]), vectors)

    def expert(self, vectors: int) -> int:
        """One expert of a layer."""
        return sum(self._pass("scaled-4bit", shape, vectors) for shape in self._expert_shapes())

    def expert_bytes(self) -> int:
        """What loading one expert moves."""
        return sum(pass_cost(COUNTED, self._format("scaled-4bit"), *s, 1).weight_bytes for s in self._expert_shapes())

    def head(self, vectors: int) -> int:
        """Logits."""
        return self._pass("scaled-4bit", _shape(self.decoder.head), vectors)

    def greedy(self) -> int:
        """A token of plain decoding."""
        return len(self.decoder.layers) * self.layer(1) + self.head(1)

    def ceiling(self, exit_layer: int, drafts: int) -> float:
        """The speed-up over plain decoding if every draft were right."""
        return (drafts + 1) * self.greedy() / self.round(exit_layer, drafts)

    def round(self, exit_layer: int, drafts: int) -> int:
        """Drafts, both streams sharing the passes; the last one's slow stream; and the verification of all."""
        return self._round(exit_layer, drafts, self.both_streams())

    def round_apart(self, exit_layer: int, drafts: int) -> int:
        """The same where each stream takes a pass of its own."""
        return self._round(exit_layer, drafts, self.streams_apart())

    def _round(self, exit_layer: int, drafts: int, streams: int) -> int:
        """A round whose streams take so many cycles per layer."""
        draft = exit_layer * (streams + self.adapter()) + self.head(1)
        later = len(self.decoder.layers) - exit_layer
        verification = exit_layer * self.layer(1) + later * self.layer(drafts + 1) + self.head(drafts + 1)
        return drafts * draft + verification

    def _expert_shapes(self) -> list[tuple[int, int]]:
        layer = self.decoder.layers[0]
        neurons, width = _shape(layer.gate)
        return [(neurons // EXPERTS, width)] * 2 + [(width, neurons // EXPERTS)]

    def _pass(self, name: str, shape: tuple[int, int], vectors: int) -> int:
        return pass_cost(COUNTED, self._format(name), *shape, vectors).cycles

    def _format(self, name: str) -> WeightFormat:
        return COUNTED.weight_formats[COUNTED.formats.index(name)]


def _shape(product: Product) -> tuple[int, int]:
    return product.out_features, product.in_features
