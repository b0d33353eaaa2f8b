"""The commands that docs/verilog.md, docs/waveforms.md and docs/report.md show run as they stand there."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seedloom.cli import app

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("page", "made"),
    [
        ("verilog.md", ["engine/seedloom_engine.v"]),
        ("waveforms.md", ["product.vcd", "product.gtkw", "product.sucl", "product.names-0.txt"]),
        ("report.md", ["report.html", "speed.svg"]),
    ],
)
def test_the_commands_of_a_page_run(
    page: str, made: list[str], tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_model().parent)  # where it is called "compressed"
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert commands
    for program, *arguments in commands:
        assert program == "seedloom"
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
    assert all(Path(name).stat().st_size for name in made)
