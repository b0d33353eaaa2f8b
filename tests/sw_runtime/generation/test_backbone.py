"""A model as the decoder of the papers' methods, its products made where its layers make them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, OPTConfig, OPTForCausalLM

from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.generation.backbone import decoder_of
from sw_runtime.nn.attach import attach
from tests.models import tiny_llama

TOKENS = torch.tensor([3, 7, 20, 99, 42])


def test_the_decoder_of_a_compressed_model_is_the_model(tiny_model: Callable[..., Path]) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model())
    with torch.inference_mode():
        torch.testing.assert_close(decoder_of(model)(TOKENS), model(TOKENS[None]).logits[0])


def test_a_devices_layers_multiply_on_the_device(tiny_model: Callable[..., Path]) -> None:
    model, device = AutoModelForCausalLM.from_pretrained(tiny_model()), EmulatedDevice()
    attach(model, device)
    before = device.counters.result_bytes
    with torch.inference_mode():
        ours, theirs = decoder_of(model)(TOKENS), model(TOKENS[None]).logits[0]
    assert device.counters.result_bytes > before
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)  # a rounding of an activation may fall differently


def test_another_architecture_is_refused() -> None:
    config = OPTConfig(hidden_size=16, ffn_dim=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=20)
    with pytest.raises(ValueError, match="pruning, exits and speculation take a LlamaForCausalLM, not OPTForCausalLM"):
        decoder_of(OPTForCausalLM(config))


@pytest.mark.parametrize("bias", ["attention_bias", "mlp_bias"])
def test_biases_are_refused(bias: str) -> None:
    with pytest.raises(ValueError, match=f"take Llamas without biases .*{bias}=True"):
        decoder_of(tiny_llama(**{bias: True}))


def test_stretched_positions_are_refused() -> None:
    rope = {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}
    with pytest.raises(ValueError, match="with rope type 'default', not 'linear'"):
        decoder_of(tiny_llama(rope_parameters=rope))
