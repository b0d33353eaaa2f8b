"""A tiny model of random weights."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM


def tiny_llama(seed: int = 0) -> LlamaForCausalLM:
    """Two layers 64 wide, a vocabulary of 120."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=120,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).eval()


WINDOWS = torch.randint(120, (3, 24), generator=torch.Generator().manual_seed(5))
