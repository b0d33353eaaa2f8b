import json
import sys
from types import ModuleType

import pytest
from typer.testing import CliRunner

from papers import command, table
from seedloom.cli import app
from tests.papers.some_papers import LISTED, some_report


@pytest.fixture(autouse=True)
def some_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LISTED:
        module = ModuleType(f"papers.{name}")
        module.measure = lambda device, name=name: some_report(name, device)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for user in (command, table):
        monkeypatch.setattr(user, "PAPERS", LISTED)


def test_a_paper_says_beforehand_what_it_claims_and_how_long_it_takes() -> None:
    result = CliRunner().invoke(app, ["paper", "first"])
    assert result.stderr == (
        "First, arXiv 1234.5678; about 3 minutes on one core. It claims:\n  It is fast (table 2, second-hand)\n\n"
    )


def test_a_paper_prints_its_claims_figures_and_page() -> None:
    result = CliRunner().invoke(app, ["paper", "first"])
    assert result.exit_code == 0
    assert "| 2.5 [2, 3] | a large model → a toy | engine, simulated | direction only |" in result.stdout
    assert result.stdout.endswith("cycles: 42\nall equal: yes\n\nMore in docs/papers/first.md\n")


def test_json_holds_claims_verdicts_and_the_report_of_the_device_asked_for() -> None:
    result = CliRunner().invoke(app, ["paper", "second", "--device", "emulated", "--json"])
    read = json.loads(result.stdout)
    assert read["verdicts"] == {"speed": "direction only", "size": "not reproduced"}
    assert read["claims"]["speed"]["theirs"] == 2.8
    assert (read["device"], read["figures"]["cycles"]) == ("emulated", 42)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["other"], "error: no paper 'other'; choose from first, second"),
        (
            ["first", "--device", "gpu"],
            "error: no device 'gpu'; choose from emulated, serial, simulated, simulated-board",
        ),
    ],
)
def test_an_unknown_name_is_refused_at_once_with_the_choices(arguments: list[str], error: str) -> None:
    result = CliRunner().invoke(app, ["paper", *arguments])
    assert result.exit_code == 1
    assert result.stderr.strip() == error
