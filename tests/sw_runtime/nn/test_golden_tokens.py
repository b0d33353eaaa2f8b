"""A compressed folder can be tried: what it writes is compared with what it wrote when it was compressed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from formats.errors import CheckpointError
from formats.matrices import real_weights
from sw_runtime.json_files import json_text
from sw_runtime.nn.attach import compressed_linears
from sw_runtime.nn.device_linear import DeviceLinear
from sw_runtime.nn.golden_tokens import GOLDEN_TOKENS, check_golden_tokens, golden_tokens
from sw_runtime.nn.linear import SeedLinear


@pytest.fixture
def folder(tiny_model: Callable[..., Path]) -> Path:
    folder = tiny_model()
    (folder / GOLDEN_TOKENS).write_text(json_text(golden_tokens(folder)))
    return folder


def test_golden_tokens_are_what_generate_writes_in_the_dtype_they_name(folder: Path) -> None:
    golden = json.loads((folder / GOLDEN_TOKENS).read_text())
    assert golden["prompt"] == [13, 26, 40, 53, 66, 80, 93, 106]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=golden["dtype"])
    written = model.generate(torch.tensor([golden["prompt"]]), do_sample=False, max_new_tokens=8, pad_token_id=0)
    assert written[0].tolist() == golden["prompt"] + golden["tokens"]
    check_golden_tokens(folder)


def test_no_layer_keeps_its_decoded_weights_while_they_are_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = list[int]()
    layers = len(compressed_linears(AutoModelForCausalLM.from_pretrained(folder)))

    def count(layer: DeviceLinear, dtype: torch.dtype) -> torch.Tensor:
        decoded.append(1)
        return real_weights(layer.stored_matrix(), dtype)

    monkeypatch.setattr(SeedLinear, "decoded", count)
    golden_tokens(folder)
    assert len(decoded) == 8 * layers


def test_another_token_is_named_with_its_place(folder: Path) -> None:
    golden = json.loads((folder / GOLDEN_TOKENS).read_text())
    right, golden["tokens"][2] = golden["tokens"][2], (golden["tokens"][2] + 1) % 120
    (folder / GOLDEN_TOKENS).write_text(json.dumps(golden))
    message = f"does not write its golden tokens: token 2 is {right}, not {golden['tokens'][2]}; copy the folder"
    with pytest.raises(CheckpointError, match=message):
        check_golden_tokens(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (torch.Tensor.neg_, "does not write its golden tokens: token 0 is"),
        (lambda norm: norm.fill_(float("nan")), "tensor model.norm.weight: it holds NaN or infinity"),
    ],
)
def test_a_model_that_computes_otherwise_is_found(
    change: Callable[[torch.Tensor], Any], said: str, folder: Path
) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors["model.norm.weight"])
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=said):
        check_golden_tokens(folder)


def test_golden_tokens_that_are_not_there_are_named(folder: Path) -> None:
    (folder / GOLDEN_TOKENS).unlink()
    with pytest.raises(FileNotFoundError, match=r"golden_tokens\.json is not there; copy the folder again or compress"):
        check_golden_tokens(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "int8"},
        {"prompt": []},
        {"prompt": "text"},
        {"tokens": [120]},
        {"tokens": [-1]},
        {"tokens": [1.5]},
        {"tokens": [True]},
        {"tokens": None},
    ],
)
def test_golden_tokens_that_are_none_are_refused(change: dict[str, Any], folder: Path) -> None:
    golden = json.loads((folder / GOLDEN_TOKENS).read_text())
    (folder / GOLDEN_TOKENS).write_text(json.dumps(golden | change))
    with pytest.raises(
        CheckpointError, match=r"golden_tokens\.json is damaged \(it needs a dtype, .*\); copy the fold"
    ):
        check_golden_tokens(folder)


def test_no_bar_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_golden_tokens(folder)
    assert capsys.readouterr().err == ""
