"""A dense layer of a demonstration's model as seeds."""

from formats.presets import PRESETS
from sw_runtime.methods.decoder import Product, dense_weight
from sw_runtime.nn.linear import SeedLinear
from sw_runtime.search.search import encode_matrix


def as_seeds(product: Product, format: str) -> SeedLinear:
    """A layer of the same shape whose weights are the nearest that seeds can make."""
    preset = PRESETS[format]
    seeds = SeedLinear(product.in_features, product.out_features, preset)
    seeds.load_state_dict(SeedLinear.stored_tensors(encode_matrix(dense_weight(product), preset)))
    return seeds
