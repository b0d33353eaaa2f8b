"""What compression costs, measured on held-out text when the folder is written."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from formats.errors import CheckpointError
from sw_runtime.compress.divergence import Divergence, measured_divergence, read_divergence
from sw_runtime.compress.folder import compress
from sw_runtime.compress.source import Source
from sw_runtime.evaluate.text import Reference
from sw_runtime.fit.polish import divergence
from sw_runtime.pretrained import load_model
from tests.models import tiny_llama

ORIGINAL = tiny_llama(num_hidden_layers=1)
WINDOWS = torch.randint(120, (32, 300), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compress(ORIGINAL, tmp_path_factory.mktemp("out"), "trellis-2bit", progress=False)


def of_windows(windows: Tensor, folder: Path) -> Divergence | None:
    return measured_divergence(Source(ORIGINAL, None, None), folder, windows)


def test_it_is_the_divergence_on_the_beginnings_of_the_held_out_windows(folder: Path) -> None:
    found = of_windows(WINDOWS, folder)
    assert found is not None
    model, pieces = load_model(folder, dtype=torch.float32), WINDOWS[24:, :128]
    assert found.mean == pytest.approx(divergence(ORIGINAL, model, pieces), rel=1e-4)
    assert found.mean > 1e-3
    error = Reference(ORIGINAL, pieces).compare(model, "").divergence.error
    assert found.error == pytest.approx(error, rel=0.1)  # that one leaves out the last token of a window
    assert (found.kind, found.windows, found.tokens) == ("measured", 8, 8 * 128)


def test_a_short_text_gives_what_follows_in_its_windows(folder: Path) -> None:
    found = of_windows(WINDOWS[:4], folder)
    assert found is not None
    assert found.mean == pytest.approx(
        divergence(ORIGINAL, load_model(folder, dtype=torch.float32), WINDOWS[3, :256].view(2, 128)), rel=1e-4
    )
    assert (found.windows, found.tokens) == (2, 256)


def test_of_one_window_the_error_is_unknown(folder: Path) -> None:
    found = of_windows(WINDOWS[:4, :40], folder)
    assert found is not None
    assert (found.error, found.windows, found.tokens) == (None, 1, 40)


def test_nothing_is_said_of_outputs_that_overflow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ORIGINAL, "lm_head", nn.Linear(64, 120))
    nn.init.constant_(ORIGINAL.lm_head.weight, torch.inf)
    assert of_windows(WINDOWS, folder) is None


def test_report_and_card_have_it_after_a_calibrated_compression_alone(source: Path, text: Path, tmp_path: Path) -> None:
    calibrated = compress(source, tmp_path / "text", calibration_text=text, progress=False)
    found = read_divergence(calibrated)
    assert found is not None
    assert f"{found} nats, measured on\n512 tokens" in (calibrated / "README.md").read_text()
    plain = compress(source, tmp_path / "plain", progress=False)
    assert "divergence" not in json.loads((plain / "report.json").read_text())
    assert "was not measured" in (plain / "README.md").read_text()


def test_a_small_one_is_not_rounded_to_nothing() -> None:
    assert str(Divergence("measured", 0.0456, 0.0002, 8, 1024)) == "0.0456 ± 0.0002"
    assert str(Divergence("measured", 3.2e-5, 4.5e-6, 8, 1024)) == "3.2e-05 ± 4.5e-06"
    assert str(Divergence("measured", 0.0, None, 1, 40)) == "0.0000"


def test_a_damaged_report_is_named_and_none_says_nothing(tmp_path: Path) -> None:
    assert read_divergence(tmp_path) is None
    whole = {"kind": "measured", "mean": 0.1, "error": None, "windows": 1, "tokens": 40}
    for damaged in ("x", {}, whole | {"mean": "small"}, whole | {"error": [1]}, whole | {"tokens": None}):
        (tmp_path / "report.json").write_text(json.dumps({"divergence": damaged}))
        with pytest.raises(
            CheckpointError, match=r"report\.json is damaged \(its divergence is no figure\); copy the f"
        ):
            read_divergence(tmp_path)
