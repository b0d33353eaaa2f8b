"""A decoder of six layers, and adapters that matter."""

from dataclasses import replace

import torch

from golden_models.decoder import Decoder
from golden_models.m2r2.residuals import Adapter
from tests.models import tiny_llama

PROMPT = torch.tensor([5, 17, 3, 99, 42, 7])


def decoder_of_six_layers() -> Decoder:
    """Large enough steps that the likeliest token changes."""
    decoder = Decoder.from_transformers(tiny_llama())
    layers = tuple(replace(layer, output=layer.output * 8, down=layer.down * 8) for layer in decoder.layers)
    return replace(decoder, layers=layers * 2)


def random_adapters(count: int, seed: int, size: float = 0.1, width: int = 64) -> list[Adapter]:
    generator = torch.Generator().manual_seed(seed)
    return [
        Adapter(torch.randn(width, 4, generator=generator) * size, torch.randn(4, width, generator=generator) * size)
        for _ in range(count)
    ]
