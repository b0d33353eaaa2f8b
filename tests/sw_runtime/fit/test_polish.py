"""Row scales, norms and biases are trained towards the original's output; words never change."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from sw_runtime.compress.folder import compress
from sw_runtime.fit import polish as polishing
from sw_runtime.fit.polish import FAR_RATE, RATE, divergence, polish, rate
from sw_runtime.pretrained import load_model
from tests.models import tiny_llama

ORIGINAL = tiny_llama(num_hidden_layers=1, attention_bias=True)
WINDOWS = torch.randint(120, (16, 24), generator=torch.Generator().manual_seed(0))
HELD_OUT = WINDOWS[12:]


@pytest.fixture(scope="module", autouse=True)
def biases_are_not_zero() -> None:
    generator = torch.Generator().manual_seed(1)
    for name, parameter in ORIGINAL.named_parameters():
        if name.endswith("bias"):
            parameter.data = torch.randn(parameter.shape, generator=generator) / 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return compress(ORIGINAL, tmp_path / "out", format="trellis-2bit", fp16="o_proj", progress=False)


def tensors(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def test_what_is_trained_is_as_near_the_original_as_the_report_says(folder: Path) -> None:
    before = divergence(ORIGINAL, load_model(folder, dtype=torch.float32), HELD_OUT)
    found = polish(ORIGINAL, folder, WINDOWS, steps=24)
    assert found.kept
    assert found.divergence_before == pytest.approx(before)
    assert found.divergence_after < 0.97 * before
    assert divergence(ORIGINAL, load_model(folder, dtype=torch.float32), HELD_OUT) == pytest.approx(
        found.divergence_after
    )
    report = json.loads((folder / "report.json").read_text())
    assert report["polish"] == {
        "steps": 24,
        "divergence_before": found.divergence_before,
        "divergence_after": found.divergence_after,
        "kept": True,
        "layer_errors": "measured before the polish",
    }
    assert report["layers"]


def test_scales_norms_and_biases_change_and_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polishing, "RATE", 0.01)  # far enough for the coarse numbers of the file
    before = tensors(folder)
    polish(ORIGINAL, folder, WINDOWS, steps=12)
    after = tensors(folder)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.endswith(("weight_scale", "norm.weight", "bias"))}
    assert {name: tensor.dtype for name, tensor in after.items()} == {name: t.dtype for name, t in before.items()}


def test_the_same_input_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    other = compress(ORIGINAL, tmp_path / "other", format="trellis-2bit", fp16="o_proj", progress=False)
    one, two = (polish(ORIGINAL, place, WINDOWS, steps=3) for place in (folder, other))
    assert one == two
    assert one.kept
    assert (folder / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def test_what_makes_the_held_out_text_worse_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (folder / "model.safetensors").read_bytes()
    monkeypatch.setattr(polishing, "RATE", 1.0)
    assert not polish(ORIGINAL, folder, WINDOWS, steps=4).kept
    assert (folder / "model.safetensors").read_bytes() == before
    assert not json.loads((folder / "report.json").read_text())["polish"]["kept"]


def test_the_original_is_left_as_it_is(folder: Path) -> None:
    weights = {name: tensor.clone() for name, tensor in ORIGINAL.state_dict().items()}
    polish(ORIGINAL, folder, WINDOWS, steps=2)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in ORIGINAL.state_dict().items())
    assert all(parameter.grad is None for parameter in ORIGINAL.parameters())


def test_a_model_far_from_the_original_is_trained_faster() -> None:
    assert [rate(before) for before in (0.05, 0.2, 0.764)] == [RATE, RATE, FAR_RATE]
    assert RATE < FAR_RATE


@pytest.mark.parametrize("steps", [0, -1, 2.5, True])
def test_steps_are_a_number_from_1_up(steps: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"polish must be a number of steps from 1 up, not {steps}"):
        polish(ORIGINAL, tmp_path, WINDOWS, steps)
