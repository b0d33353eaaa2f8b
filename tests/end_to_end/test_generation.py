"""From a real checkpoint to tokens: compress, load with transformers, generate on both devices."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import seedloom
from hw.parameters import EngineParameters
from sw_runtime.compress.packaged_models import smollm2_folder

PROMPT = "Once upon a time, there was a little robot who"


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2-135M with the linears of its first two layers as seeds."""
    folder = tmp_path_factory.mktemp("end_to_end") / "smollm2"
    return seedloom.compress(smollm2_folder(), folder, format="scaled-4bit", modules=r"layers\.[01]\.")


def generate(folder: Path, device_name: str) -> tuple[list[int], torch.Tensor, Any]:
    """Eight greedy tokens, their logits [8, vocabulary] and the device's counters."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    device = seedloom.open_device(device_name, parameters=EngineParameters(("scaled-4bit",)))
    seedloom.attach(model, device)
    inputs = tokenizer(PROMPT, return_tensors="pt")
    output = model.generate(
        **inputs, max_new_tokens=8, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    counters = device.counters
    device.close()
    return output.sequences[0].tolist(), torch.cat(output.logits), counters


def test_simulated_and_emulated_devices_generate_the_same_tokens_from_the_same_logits(compressed: Path) -> None:
    tokens, logits, counters = generate(compressed, "simulated")
    emulated_tokens, emulated_logits, emulated_counters = generate(compressed, "emulated")
    assert tokens == emulated_tokens
    assert torch.equal(logits, emulated_logits)
    assert counters == emulated_counters
    assert counters.cycles > 0
