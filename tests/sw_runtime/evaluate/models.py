"""A tiny model to judge quantisers by, and text for it."""

import torch
from transformers import LlamaForCausalLM

from tests.models import tiny_llama


def llama_to_quantise(seed: int = 0) -> LlamaForCausalLM:
    """Widths that groups of 64 divide, and weights so large that the next token matters."""
    return tiny_llama(seed, intermediate_size=128, num_hidden_layers=2, initializer_range=0.2)


WINDOWS = torch.randint(120, (3, 24), generator=torch.Generator().manual_seed(5))
