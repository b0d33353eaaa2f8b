"""What the demonstration refuses, it refuses before anything long begins."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import seedloom
from seedloom import demo, demo_decoder, demo_device
from seedloom.cli import app


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "zz"], "error: --format must be one of paper-4bit, .*, not 'zz'\n"),
        (["--format", "fp16"], "error: --format must be one of paper-4bit, .*, not 'fp16'\n"),
        (["--prompt", ""], "error: the prompt is empty; give a word to begin with\n"),
    ],
)
def test_what_cannot_be_shown_is_refused_at_once(
    options: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(demo, "compressed_model")
    result = CliRunner().invoke(app, ["demo", *options])
    assert result.exit_code == 1
    assert re.fullmatch(said, result.stderr)


def test_a_small_model_writes_on_any_device_what_it_writes_on_the_emulated_one() -> None:
    options = ["--device", "serial:pty", "--format", "scaled-4bit", "--tokens", "2", "--json"]
    result = CliRunner().invoke(app, ["demo", *options])
    assert result.exit_code == 0, result.output
    written = json.loads(result.stdout)
    assert written["tokens_equal_emulated"] is True
    assert len(written["tokens"]) == 2
    assert written["cycles"] > 0


def test_a_device_that_nobody_has_is_refused_before_a_model_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(demo_device, "small_model")
    result = CliRunner().invoke(app, ["demo", "--device", "gpu"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: no device 'gpu'; choose from emulated, serial")


def test_a_whole_decoder_writes_on_its_board_what_it_writes_on_integers(
    scaled_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_decoder, "PROMPT", "w3 w7 w9")
    found = demo_decoder.run_whole_decoder(*seedloom.load(scaled_folder), layers=2, tokens=3)
    assert found.tokens_equal_emulated
    assert (found.layers, found.layers_of_model, found.prompt_tokens, len(found.tokens)) == (2, 2, 3, 3)
    assert found.link_bytes == 4 * (64 + 1) + 8
    demo_decoder.show(found)
    shown = capsys.readouterr().out
    assert "the whole decoder on ulx3s-64mb, 2 of 2 layers" in " ".join(shown.split())
    assert f"{found.simulated.cycles:,.0f}" in shown
    assert "tokens of the simulated and the emulated whole decoder: all equal (3)" in shown


def test_formats_that_no_whole_decoder_takes_are_said_and_the_demonstration_goes_on(
    tiny_model: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo._whole_decoder(*seedloom.load(tiny_model())) is None
    assert "no whole decoder: model.layers.0.self_attn.q_proj is stored as paper-4bit" in capsys.readouterr().err
