"""What the demonstration refuses, it refuses before anything long begins."""

import re

import pytest
from typer.testing import CliRunner

from seedloom import demo
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
