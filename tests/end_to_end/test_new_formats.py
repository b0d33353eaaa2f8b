"""A format is one record: a preset that does not ship, and palettes, go all the way from weights to devices."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaForCausalLM

import seedloom
from formats.presets import TRELLIS_PRESETS, Preset
from sw_runtime.compress.folder import compress
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.device.simulated import simulated_device
from sw_runtime.nn.attach import attach, compressed_linears, detach
from sw_runtime.nn.folder import verify
from tests.conftest import write_tokenizer
from tests.models import tiny_llama

PROMPT = torch.tensor([[1, 5, 9]])


def small_llama() -> LlamaForCausalLM:
    """One layer, 32 wide, with a head of its own."""
    return tiny_llama(
        hidden_size=32,
        intermediate_size=40,
        num_hidden_layers=1,
        max_position_embeddings=512,
        tie_word_embeddings=False,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    small_llama().save_pretrained(tmp_path / "source")
    write_tokenizer(tmp_path / "source")
    return tmp_path / "source"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    words = torch.randint(120, (2100,), generator=torch.Generator().manual_seed(0))
    (tmp_path / "text.txt").write_text(" ".join(f"w{word}" for word in words.tolist()))
    return tmp_path / "text.txt"


def formats_of(folder: Path) -> set[str]:
    """Formats of the folder's layers."""
    return set(json.loads((folder / "config.json").read_text())["quantization_config"]["modules"].values())


def parameters_for(folder: Path) -> seedloom.EngineParameters:
    """An engine of the folder's formats."""
    return seedloom.EngineParameters(
        tuple(sorted(formats_of(folder))), port_bytes=16, maximum_columns=64, maximum_rows=128
    )


def check_devices_agree(folder: Path, name: str) -> None:
    """A layer of the format multiplies alike on the emulated and the simulated device."""
    model, parameters = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), parameters_for(folder)
    layer = next(layer for layer in compressed_linears(model).values() if layer.format_name == name)
    activations = torch.randint(-100, 100, (1, layer.in_features), generator=torch.Generator().manual_seed(0))
    results = []
    for device in (EmulatedDevice(parameters), simulated_device(parameters, simulators=1)):
        results.append(device.matvec(device.load(layer.stored_matrix()), activations))
        device.close()
    assert torch.equal(results[0], results[1])


def check_folder(folder: Path, name: str) -> None:
    """It verifies, loads, and writes the same tokens on a device as on the host."""
    assert name in formats_of(folder)
    assert {layer.format for layer in verify(folder).layers} == formats_of(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    on_host = model(PROMPT).logits
    device = EmulatedDevice(parameters_for(folder))
    attach(model, device)
    assert torch.allclose(model(PROMPT).logits, on_host, atol=2e-3)
    detach(model)


def test_a_preset_that_does_not_ship_is_compressed_without_a_text(source: Path, five_bits: Preset) -> None:
    folder = compress(source, source.parent / "out", format=five_bits.name)
    check_folder(folder, five_bits.name)
    check_devices_agree(folder, five_bits.name)


def test_it_is_fitted_to_a_text(source: Path, text: Path, five_bits: Preset) -> None:
    folder = compress(source, source.parent / "out", format=five_bits.name, calibration_text=text)
    assert five_bits.name in formats_of(folder)
    assert verify(folder).layers


def test_it_is_mixed_with_the_others(source: Path, text: Path, five_bits: Preset) -> None:
    folder = compress(source, source.parent / "out", "scaled-4bit", bits=5.1, calibration_text=text)
    assert five_bits.name in formats_of(folder)


@pytest.mark.parametrize("name", ["palette-4bit", "palette-2bit"])
def test_palettes_are_a_format_like_the_others(source: Path, name: str) -> None:
    folder = compress(source, source.parent / "out", format=name)
    check_folder(folder, name)
    check_devices_agree(folder, name)


@pytest.mark.parametrize("name", TRELLIS_PRESETS)
def test_trellises_are_a_format_like_the_others(source: Path, name: str) -> None:
    folder = compress(source, source.parent / "out", format=name, fp16="lm_head")
    assert formats_of(folder) == {name, "fp16"}
    check_folder(folder, name)


def test_trellises_are_fitted_to_a_text(source: Path, text: Path) -> None:
    folder = compress(source, source.parent / "out", format="trellis-3.5bit", calibration_text=text)
    assert "trellis-3.5bit" in formats_of(folder)
    assert verify(folder).layers
    check_devices_agree(folder, "trellis-3.5bit")


def test_trellises_are_mixed_with_each_other(source: Path, text: Path) -> None:
    folder = compress(source, source.parent / "out", format="trellis-4bit", bits=3.6, calibration_text=text)
    assert formats_of(folder) <= {*TRELLIS_PRESETS, "fp16"}
    assert formats_of(folder) & {"trellis-3.5bit", "trellis-2.5bit"}


def test_palettes_are_fitted_to_a_text(source: Path, text: Path) -> None:
    folder = compress(source, source.parent / "out", format="palette-4bit", calibration_text=text)
    assert "palette-4bit" in formats_of(folder)
