"""EleutherAI's harness scores a compressed folder, on the host and on a device."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seedloom.cli import app

TASK = """
task: colours
dataset_path: json
dataset_kwargs:
  data_files: {data}
output_type: multiple_choice
test_split: train
doc_to_text: "{{{{question}}}}"
doc_to_target: answer
doc_to_choice: choices
metric_list:
  - metric: acc
"""


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """A folder with one task: two questions, two answers each."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    questions = [{"question": f"w{place} w4", "choices": ["w1", "w2"], "answer": place} for place in range(2)]
    (folder / "colours.json").write_text("\n".join(map(json.dumps, questions)))
    (folder / "colours.yaml").write_text(TASK.format(data=folder / "colours.json"))
    return folder


@pytest.fixture(autouse=True)
def arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness reads those of the process; they come back after a test."""
    monkeypatch.setattr(sys, "argv", list(sys.argv))


def test_a_task_of_local_files_is_scored_on_a_device(chatting: Path, tasks: Path, tmp_path: Path) -> None:
    model = f"folder={chatting},on=emulated,prefix_token_id=1"  # the tiny tokenizer has no token to begin with
    options = ["--model", "seedloom", "--model_args", model, "--tasks", "colours"]
    options += ["--include_path", str(tasks), "--output_path", str(tmp_path / "scores.json")]
    result = CliRunner().invoke(app, ["lm-eval", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "|colours|" in result.output
    scores = json.loads(next(tmp_path.glob("scores*.json")).read_text())
    assert scores["results"]["colours"]["acc,none"] in (0.0, 0.5, 1.0)
    assert scores["n-samples"]["colours"]["effective"] == 2


def test_a_task_that_is_not_there_is_one_line() -> None:
    result = CliRunner().invoke(
        app, ["lm-eval", "--model", "seedloom", "--model_args", "folder=x", "--tasks", "none_such"]
    )
    assert result.exit_code == 1
    assert "error: Tasks not found: none_such; `seedloom lm-eval ls tasks` lists what there is, " in result.stderr


def test_the_help_of_its_commands_is_lm_evals() -> None:
    result = CliRunner().invoke(app, ["lm-eval", "run", "--help"])
    assert result.output.startswith("usage: lm-eval run")


def test_without_the_harness_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval.__main__", None)
    result = CliRunner().invoke(app, ["lm-eval", "ls", "tasks"])
    assert result.exit_code == 1
    assert "seedloom lm-eval needs lm_eval: pip install 'seedloom[lm-eval]'" in result.output
