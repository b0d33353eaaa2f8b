"""Commands and scripts of the tutorials: those in ``console`` blocks run, in their order, in one folder."""

import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seedloom.cli import app

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"


def commands(page: str) -> list[list[str]]:
    """Lines of the ``console`` blocks of a tutorial, as words."""
    blocks = re.findall(r"```console\n(.*?)```", (TUTORIALS / page).read_text(), re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def run(words: list[str]) -> str:
    """What a command or a script prints."""
    if words[0] == "seedloom":
        result = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output
    assert words[:1] == ["python"], words
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", words[1:])
        runpy.run_path(str(ROOT / words[1]), run_name="__main__")
    return ""


def test_a_model_is_compressed_compared_and_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "LICENSE", "text.txt")
    printed = {" ".join(words[:2]): run(words) for words in commands("machine-learning.md")}
    assert len(printed) == 8
    assert "15 layers" in printed["seedloom inspect"]
    assert "golden tokens equal" in printed["seedloom verify"]
    assert "| compressed | 4.229 |" in printed["seedloom eval"]
    assert "orangecrab" in printed["seedloom boards"]
    assert Path("dense/model.safetensors").exists()


def test_a_lane_is_simulated_and_leaves_a_waveform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    watch, *others = commands("simulation.md")
    run(watch)
    said = capsys.readouterr().out
    assert said.startswith("16 of 16 sums equal")
    page = (TUTORIALS / "simulation.md").read_text()
    assert said in page
    signals = set(re.findall(r"\$var \w+ \d+ \S+ (\w+)", Path("lane.vcd").read_text()))
    named = re.findall(r"`([a-z]+[_0-9]*)`", re.findall(r"## 3.*?## 4", page, re.DOTALL)[0])
    assert len(named) > 8
    assert set(named) <= signals
    assert [words[0] for words in others] == ["pytest", "seedloom"]
    assert (ROOT / others[0][1]).exists()


@pytest.mark.parametrize("page", sorted(path.name for path in TUTORIALS.glob("*.md")))
def test_files_that_a_tutorial_names_are_there(page: str) -> None:
    text = (TUTORIALS / page).read_text()
    named = re.findall(r"`((?:examples|formats|golden_models|hw|sw_runtime|synth|tests)/[\w./]*)`", text)
    named += re.findall(r"\b(?:examples|tests)/\w[\w/.]*\.py", text)
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing
    assert named or page == "machine-learning.md"
