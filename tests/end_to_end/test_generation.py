"""From a real checkpoint to tokens: compress, load with transformers, generate on both devices."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

import seedloom
from formats.engine import EngineParameters
from seedloom.cli import app
from sw_runtime.texts.packaged_models import smollm2_folder

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


def test_the_demonstration_measures_tokens_against_fp16(compressed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedloom.demo.compressed_model", lambda _: compressed)
    result = CliRunner().invoke(app, ["demo", "--tokens", "3", "--prompt", PROMPT, "--json"])
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)
    assert measured["tokens_equal_emulated"] is True
    assert len(measured["tokens"]) == 3
    assert measured["text"].startswith(PROMPT)
    assert len(measured["text"]) > len(PROMPT)
    # the linears of two layers: 128 weights per beat as seeds, 32 as FP16
    weights = 2 * (2 * 576 * 576 + 2 * 192 * 576 + 3 * 576 * 1536)
    assert measured["bytes_per_token"] == pytest.approx(weights / 2, rel=0.03)
    assert measured["baseline_bytes_per_token"] == pytest.approx(weights * 2, rel=0.03)
    assert measured["speedup"] == pytest.approx(measured["baseline_cycles_per_token"] / measured["cycles_per_token"])
    assert 3.8 < measured["speedup"] < 4
    assert 0.9 < measured["port_busy"] < 1
