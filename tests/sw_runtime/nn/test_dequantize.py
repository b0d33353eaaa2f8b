"""``model.dequantize()``: an ordinary model of the decoded weights, bit by bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModel, AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel
from transformers.pytorch_utils import Conv1D

from sw_runtime.compress.folder import compress
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.nn.attach import attach, compressed_linears
from sw_runtime.pretrained import load_model
from tests.sw_runtime.compress.families import FAMILIES

TOKENS = torch.tensor([[1, 5, 9, 2]])


@pytest.fixture
def folder(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model(attention_bias=True)


def load(folder: Path, **options: Any) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, **options)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_layer_is_linear_again_with_the_decoded_weights_bit_by_bit(folder: Path, dtype: torch.dtype) -> None:
    model, compressed = load(folder, dtype=dtype), load(folder, dtype=dtype)
    logits = model(TOKENS).logits
    model.dequantize()
    layers = compressed_linears(compressed)
    assert len(layers) == 15
    assert not compressed_linears(model)
    for name, layer in layers.items():
        dense = model.get_submodule(name)
        assert type(dense) is nn.Linear
        assert torch.equal(dense.weight, layer.decoded(dtype))
        assert dense.bias is None or torch.equal(dense.bias, layer.bias)
    assert torch.equal(model(TOKENS).logits, logits)


def test_saved_it_is_an_ordinary_checkpoint(folder: Path, tmp_path: Path) -> None:
    model = load(folder)
    model.dequantize().save_pretrained(tmp_path / "dense")
    dense = load(tmp_path / "dense")
    assert not hasattr(dense.config, "quantization_config")
    assert torch.equal(dense(TOKENS).logits, load(folder)(TOKENS).logits)


def test_another_dtype_is_that_of_the_whole_model_and_of_its_configuration(folder: Path, tmp_path: Path) -> None:
    model = load(folder, dtype=torch.float32).dequantize(torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    model.save_pretrained(tmp_path / "dense")
    assert torch.equal(load(tmp_path / "dense")(TOKENS).logits, load(folder, dtype=torch.bfloat16)(TOKENS).logits)


def test_a_layer_whose_class_keeps_its_weights_transposed_gets_them_so(tmp_path: Path) -> None:
    sizes = {"n_embd": 32, "n_layer": 1, "n_head": 2, "vocab_size": 40, "n_positions": 16}
    GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=1, eos_token_id=2)).save_pretrained(tmp_path / "source")
    folder = compress(tmp_path / "source", tmp_path / "compressed", "scaled-2bit", progress=False)
    model = load(folder)
    logits = model(TOKENS).logits
    model.dequantize().save_pretrained(tmp_path / "dense")
    assert type(model.transformer.h[0].attn.c_attn) is Conv1D
    assert torch.allclose(load(tmp_path / "dense")(TOKENS).logits, logits, atol=1e-5)


@pytest.mark.parametrize("name", ["mixtral", "gpt-oss"])
def test_experts_are_fused_again_with_the_decoded_weights(name: str, tmp_path: Path) -> None:
    FAMILIES[name].build().save_pretrained(tmp_path / "source")
    folder = compress(tmp_path / "source", tmp_path / "compressed", "scaled-2bit", progress=False)
    model = load(folder)
    assert any("experts.3.down" in layer for layer in compressed_linears(model))
    with torch.no_grad():
        logits = model(TOKENS).logits
        assert torch.allclose(model.dequantize()(TOKENS).logits, logits, atol=1e-5)
    assert not compressed_linears(model)
    fused_experts = model.model.layers[0].mlp.experts
    assert type(fused_experts) is type(FAMILIES[name].build().model.layers[0].mlp.experts)
    model.save_pretrained(tmp_path / "dense")
    assert torch.allclose(load_model(tmp_path / "dense")(TOKENS).logits, logits, atol=1e-5)


def test_a_body_alone_becomes_dense_too(folder: Path) -> None:
    body = AutoModel.from_pretrained(folder)
    hidden_states = body(TOKENS).last_hidden_state
    assert torch.equal(body.dequantize()(TOKENS).last_hidden_state, hidden_states)


def test_its_weights_can_be_trained(folder: Path) -> None:
    model = load(folder).dequantize()
    model(TOKENS, labels=TOKENS).loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_model_on_a_device_is_taken_off_it_first(folder: Path) -> None:
    model, device = load(folder), EmulatedDevice()
    attach(model, device)
    model.dequantize()
    assert torch.equal(model(TOKENS).logits, load(folder)(TOKENS).logits)
    with pytest.raises(ValueError, match="no matrix with handle 1"):
        device.unload(1)


def test_weights_left_on_disk_are_refused(folder: Path) -> None:
    model = load(folder)
    layer = model.model.layers[0].mlp.up_proj.to("meta")
    assert layer.stored_weight.is_meta
    with pytest.raises(ValueError, match=r"weights of model\.layers\.0\.mlp\.up_proj are offloaded to disk; load the"):
        model.dequantize()
