"""Models of many families: compressed, loaded, run, saved and verified; nothing is wrong without a word."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor

from sw_runtime.compress.coverage import read_coverage
from sw_runtime.compress.folder import compress
from sw_runtime.compress.trial import trial_inputs
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.fit.report import read_report
from sw_runtime.nn.attach import attach, compressed_linears, detach
from sw_runtime.nn.experts import by_mixture, fused_experts, with_separate_experts
from sw_runtime.nn.folder import describe, verify
from sw_runtime.nn.places import place_in
from tests.sw_runtime.compress.families import FAMILIES, Family

MIXTRAL_BODY = Family("MixtralModel", "MixtralConfig", {})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders by family, each compressed when a test first needs it."""
    root = tmp_path_factory.mktemp("families")

    class Folders(dict[str, Path]):
        def __missing__(self, family: str) -> Path:
            model = FAMILIES[family].build()
            self[family] = compress(model, root / family, "scaled-2bit", allow_partial=True, progress=False)
            return self[family]

    return Folders()


def loaded(family: Family, folder: Path) -> Any:
    return getattr(transformers, family.model).from_pretrained(folder, dtype=torch.float32).eval()


def with_decoded_weights(family: Family, compressed: Any) -> Any:
    model = with_separate_experts(family.build(), None)
    for name, layer in compressed_linears(compressed).items():
        place_in(model, name).put(layer.decoded(torch.float32))
    return model


def outputs(model: Any) -> list[Tensor]:
    with torch.no_grad():
        found = model(**trial_inputs(model)).to_tuple()
    return [tensor for tensor in found if isinstance(tensor, Tensor)]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_answers_as_its_decoded_weights_do_and_is_saved_bit_for_bit(
    name: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    family, folder = FAMILIES[name], folders[name]
    model = loaded(family, folder)
    found, expected = outputs(model), outputs(with_decoded_weights(family, model))
    assert found
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert len(verify(folder, progress=False).layers) == len(compressed_linears(model)) > 1
    model.save_pretrained(tmp_path)
    again = load_file(tmp_path / "model.safetensors")
    written = load_file(folder / "model.safetensors")
    for layer in compressed_linears(model):
        assert torch.equal(again[f"{layer}.weight"], written[f"{layer}.weight"])
    for one, other in zip(found, outputs(loaded(family, tmp_path)), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["gpt2", "bloom", "falcon", "mamba", "t5", "gpt-oss"])
def test_a_family_writes_the_same_tokens_on_a_device_as_on_the_host(name: str, folders: dict[str, Path]) -> None:
    model = loaded(FAMILIES[name], folders[name])
    tokens = torch.tensor([[5, 6, 7]])
    expected = model.generate(tokens, max_new_tokens=4, do_sample=False)
    attach(model, EmulatedDevice())
    found = model.generate(tokens, max_new_tokens=4, do_sample=False)
    detach(model)
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("gpt2", {"Conv1D": 4, "Linear": 1}), ("falcon", {"FalconLinear": 4, "Linear": 1}), ("llama", {"Linear": 8})],
)
def test_layers_of_other_classes_that_are_one_product_are_compressed(
    name: str, kinds: dict[str, int], folders: dict[str, Path]
) -> None:
    assert read_coverage(folders[name]).layers == kinds


@pytest.mark.parametrize("name", ["mixtral", "qwen3-moe", "gpt-oss", "deepseek-v3"])
def test_every_matrix_of_fused_experts_is_compressed(name: str, folders: dict[str, Path]) -> None:
    layers = by_mixture(layer.name for layer in describe(folders[name]).layers)
    experts = "model.layers.0.mlp.experts"
    assert {matrix: len(names) for matrix, names in layers.items()} == {(experts, "gate_up"): 4, (experts, "down"): 4}
    assert by_mixture(read_report(folders[name])) == layers
    coverage = read_coverage(folders[name])
    assert coverage is not None
    assert coverage.total == sum(weights.numel() for weights in FAMILIES[name].build().parameters())
    assert not [reason for reason in coverage.dense if "fused" in reason]


def test_experts_load_into_a_class_without_the_head(folders: dict[str, Path]) -> None:
    whole, body = (loaded(family, folders["mixtral"]) for family in (FAMILIES["mixtral"], MIXTRAL_BODY))
    tokens = torch.tensor([[5, 6, 7]])
    assert torch.equal(body(tokens).last_hidden_state, whole.model(tokens).last_hidden_state)


@pytest.mark.parametrize("modules", ["self_attn", r"layers\.0\.mlp\.experts\.1\."])
def test_a_mixture_stays_fused_unless_one_of_its_layers_is_chosen(modules: str, tmp_path: Path) -> None:
    family = FAMILIES["mixtral"]
    output = compress(family.build(), tmp_path, "scaled-4bit", modules=modules, progress=False)
    model = loaded(family, output)
    assert bool(fused_experts(model)) is (modules == "self_attn")
    assert all(re.search(modules, name) for name in compressed_linears(model))
    for one, other in zip(outputs(model), outputs(with_decoded_weights(family, model)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
