"""Adapters of peft on compressed layers: trained, saved, loaded, and merged into the dense model."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, PrefixTuningConfig, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel
from transformers.trainer_utils import validate_quantization_for_training

import seedloom
from formats.errors import InputError
from sw_runtime.compress.folder import compress
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.nn.attach import attach, compressed_linears
from tests.sw_runtime.compress.families import FAMILIES

TOKENS = torch.tensor([[1, 5, 9, 2, 30, 31]])


@pytest.fixture
def folder(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model()


def adapted(folder: Path, *names: str) -> Any:
    """The folder's model with an adapter whose weights are not zero."""
    config = seedloom.register_lora(LoraConfig(r=4, target_modules=list(names), init_lora_weights=False))
    return get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config)


def logits(model: Any) -> Tensor:
    found: Tensor = model(TOKENS).logits.detach()
    return found


def test_layers_are_adapted_without_a_warning_and_stay_compressed(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = adapted(folder, "q_proj", "down_proj")
    assert len(compressed_linears(model)) == 15
    assert not torch.equal(logits(model), logits(AutoModelForCausalLM.from_pretrained(folder)))
    with model.disable_adapter():
        assert torch.equal(logits(model), logits(AutoModelForCausalLM.from_pretrained(folder)))


def test_training_changes_the_adapter_and_lowers_the_loss(folder: Path) -> None:
    model = adapted(folder, "q_proj", "down_proj")
    validate_quantization_for_training(model)  # as transformers' Trainer asks
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert len(parameters) == 2 * 2 * 2
    optimiser = torch.optim.Adam(parameters, lr=1e-2)
    losses = []
    for _ in range(8):
        loss = model(TOKENS, labels=TOKENS).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_a_saved_adapter_is_loaded_on_the_compressed_model_again(folder: Path, tmp_path: Path) -> None:
    model = adapted(folder, "up_proj")
    model.save_pretrained(tmp_path / "adapter")
    config = seedloom.register_lora(LoraConfig.from_pretrained(tmp_path / "adapter"))
    again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), tmp_path / "adapter", config=config)
    assert torch.equal(logits(again), logits(model))


def test_merging_into_seeds_is_refused_with_the_remedy(folder: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be merged into seeds; call model\.dequantize\(\) first, then merge"):
        adapted(folder, "q_proj").merge_and_unload()


def test_made_dense_it_is_merged_and_saved_as_an_ordinary_model(folder: Path, tmp_path: Path) -> None:
    model = adapted(folder, "q_proj", "down_proj")
    before = logits(model)
    model.dequantize()
    assert torch.equal(logits(model), before)
    model.merge_and_unload().save_pretrained(tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert not compressed_linears(merged)
    assert torch.allclose(logits(merged), before, atol=1e-4)


def test_a_layer_that_keeps_its_weights_transposed_is_merged_the_right_way_round(tmp_path: Path) -> None:
    sizes = {"n_embd": 32, "n_layer": 1, "n_head": 2, "vocab_size": 40, "n_positions": 16}
    GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=1, eos_token_id=2)).save_pretrained(tmp_path / "source")
    model = adapted(
        compress(tmp_path / "source", tmp_path / "out", "scaled-2bit", progress=False), "attn.c_proj", "c_fc"
    )
    before = logits(model)
    model.dequantize()
    model.merge_and_unload().save_pretrained(tmp_path / "merged")
    assert torch.allclose(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "merged")), before, atol=1e-4)


def test_on_a_device_the_adapter_is_added_on_the_host_and_its_training_refused(folder: Path) -> None:
    model = adapted(folder, "down_proj")
    before = logits(model)
    attach(model, EmulatedDevice())
    assert torch.allclose(logits(model), before, atol=1e-2 * before.abs().max().item())
    with pytest.raises(InputError, match="a device gives no gradients"):
        model(TOKENS, labels=TOKENS).loss.backward()


def test_an_adapter_on_an_expert_is_refused_by_name_before_it_would_be_lost(tmp_path: Path) -> None:
    FAMILIES["mixtral"].build().save_pretrained(tmp_path / "source")
    model = adapted(compress(tmp_path / "source", tmp_path / "out", "scaled-2bit", progress=False), "0.down")
    with pytest.raises(
        InputError, match=r"model\.layers\.0\.mlp\.experts\.0\.down is an expert's, which takes no adapt"
    ):
        model.dequantize()


def test_another_kind_of_configuration_is_refused() -> None:
    with pytest.raises(InputError, match=r"register_lora takes a peft\.LoraConfig, not a PrefixTuningConfig"):
        seedloom.register_lora(PrefixTuningConfig())
