"""``seedloom boards`` prints a line a board, or JSON."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seedloom.cli import app
from tests.conftest import OTHER_FORMATS


def test_each_board_has_its_line(tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OTHER_FORMATS, "model.layers.1.mlp.down_proj", "paper-4bit")  # 3 bits need a wider port
    result = CliRunner().invoke(app, ["boards", str(tiny_model())])
    assert result.exit_code == 0, result.output
    title, *lines, note = result.stdout.splitlines()
    assert title.split()[:4] == ["board", "MB", "needed", "fits"]
    assert [line.split()[0] for line in lines] == ["ulx3s-32mb", "ulx3s-64mb", "orangecrab", "ecpix5"]
    assert [line.split()[-1] for line in lines] == 4 * ["simulated"]
    assert all(line.split()[3] == "yes" for line in lines)
    assert note.startswith("tokens/s: derived")


def test_a_format_without_engine_is_said_in_its_line(tiny_model: Callable[..., Path]) -> None:
    lines = CliRunner().invoke(app, ["boards", str(tiny_model())]).stdout.splitlines()
    assert "no engine for these formats: " in lines[1]
    assert lines[1].endswith("port_bytes=4 cannot carry a 36-bit word of paper-3bit; it takes 5 or more")


def figures(folder: Path) -> dict[str, dict[str, float | None]]:
    answer = json.loads(CliRunner().invoke(app, ["boards", str(folder), "--json"]).stdout)
    return {each["board"]: each for each in answer["boards"]}


def test_json_has_the_same_figures(tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert figures(tiny_model())["ulx3s-32mb"]["needed_bytes"] is None
    monkeypatch.setitem(OTHER_FORMATS, "model.layers.1.mlp.down_proj", "paper-4bit")
    board = figures(tiny_model())["ecpix5"]
    assert board["missing_bytes"] == 0
    assert board["tokens_per_second"] is not None
    assert board["tokens_per_second"] > 1_000
