"""What the demonstration refuses, it refuses before anything long begins."""

import json
import re

import pytest
from typer.testing import CliRunner

from seedloom import demo, demo_device
from seedloom.cli import app


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "zz"], "error: format must be one of paper-4bit, .*, not 'zz'\n"),
        (["--format", "fp16"], "error: format must be one of paper-4bit, .*, not 'fp16'\n"),
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
