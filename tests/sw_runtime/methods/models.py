"""A model whose likeliest token changes, as the product's decoder and as the golden one."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import torch
from transformers import LlamaForCausalLM

from golden_models.decoder import Decoder as GoldenDecoder
from golden_models.m2r2.residuals import Adapter as GoldenAdapter
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.m2r2.residuals import Adapter
from tests.models import tiny_llama

PROMPT = torch.tensor([5, 17, 3, 99, 42, 7])

SHAPES = [
    {},
    {"num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 1},
    {"num_hidden_layers": 5, "hidden_size": 48, "num_attention_heads": 3, "num_key_value_heads": 3},
]
"""Settings of a ``LlamaConfig``: heads that share keys in twos, all sharing one, and none sharing."""


def llama_of_large_steps(seed: int = 0, **settings: int) -> LlamaForCausalLM:
    """A tiny Llama whose layers change the residual stream a lot."""
    model = tiny_llama(seed, **settings).requires_grad_(False)
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight *= 8
        layer.mlp.down_proj.weight *= 8
    return model


@cache
def both_decoders(seed: int = 0, **settings: int) -> tuple[Decoder, GoldenDecoder]:
    """The same model as either decoder, each of its layers twice."""
    model = llama_of_large_steps(seed, **settings)
    ours, golden = Decoder.of(model), GoldenDecoder.from_transformers(model)
    return replace(ours, layers=ours.layers * 2), replace(golden, layers=golden.layers * 2)


def decoder_of_six_layers() -> Decoder:
    """The product's."""
    return both_decoders()[0]


def adapters(golden: Sequence[GoldenAdapter]) -> list[Adapter]:
    """The product's of the golden ones."""
    return [Adapter(**vars(adapter)) for adapter in golden]
