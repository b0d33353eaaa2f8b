"""A tiny Llama of random weights."""

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

TINY: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 100,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 120,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e5},
}


def tiny_llama(seed: int = 0, **settings: Any) -> LlamaForCausalLM:
    """Three layers 64 wide and a vocabulary of 120, where settings of ``LlamaConfig`` do not say otherwise."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(**TINY | settings)).eval()
