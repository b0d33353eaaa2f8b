"""A model compressed on a text of its own."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from sw_runtime.compress import folder as folder_module
from sw_runtime.compress.folder import compress
from sw_runtime.fit.report import read_report
from sw_runtime.nn.folder import verify
from tests.sw_runtime.compress.conftest import FIRST_LAYER, llama_to_compress

ASKED: dict[str, Any] = {"calibration_text": "self", "modules": FIRST_LAYER}


@pytest.fixture(autouse=True)
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    written = folder_module.written_windows
    monkeypatch.setattr(folder_module, "written_windows", lambda *models: written(*models, windows=8, length=64))


def test_the_text_calibrates_and_is_kept_in_the_folder(source: Path, tmp_path: Path) -> None:
    output = compress(source, tmp_path / "out", **ASKED)
    assert all(report.held_out_error for report in read_report(output).values())
    words = (output / "calibration.txt").read_text().split()
    assert len(words) == 8 * 64
    assert all(word.startswith("w") for word in words)
    verify(output)


def test_a_text_without_a_tokenizer_is_kept_as_numbers(tmp_path: Path) -> None:
    output = compress(llama_to_compress(), tmp_path / "out", **ASKED)
    lines = (output / "calibration.txt").read_text().splitlines()
    numbers = torch.tensor([[int(word) for word in line.split()] for line in lines])
    assert numbers.shape == (8, 64)
    assert numbers.max() < 120


def test_a_rerun_after_a_stop_does_not_write_the_text_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compress(source, tmp_path / "whole", **ASKED)
    with monkeypatch.context() as stopped:
        stopped.setattr(folder_module, "encode_calibrated", None)
        with pytest.raises(TypeError):
            compress(source, tmp_path / "resumed", **ASKED)
    monkeypatch.setattr(folder_module, "written_windows", None)
    resumed = compress(source, tmp_path / "resumed", **ASKED)
    assert (resumed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert (resumed / "calibration.txt").read_bytes() == (whole / "calibration.txt").read_bytes()


def test_a_text_that_was_given_is_not_kept(source: Path, text: Path, tmp_path: Path) -> None:
    output = compress(source, tmp_path / "out", calibration_text=text, modules=FIRST_LAYER)
    assert not (output / "calibration.txt").exists()


def test_a_model_that_cannot_write_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    bert = BertForMaskedLM(BertConfig(**size, vocab_size=50))
    with pytest.raises(
        ValueError, match="a BertForMaskedLM writes no text of its own; give a calibration text, or 'none'"
    ):
        compress(bert, tmp_path / "out", calibration_text="self")
    assert not (tmp_path / "out").exists()
