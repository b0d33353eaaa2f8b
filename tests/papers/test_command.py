import json
import sys
from importlib import import_module
from inspect import signature
from types import ModuleType

import pytest
from typer.testing import CliRunner

from papers import command
from papers.report import Figure, Report
from seedloom.cli import app


@pytest.fixture
def some_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("papers.some")
    module.measure = lambda device: Report("Some", "a toy", device, [Figure("answer", 42)])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(command, "PAPERS", ("some",))


@pytest.mark.usefixtures("some_paper")
def test_a_paper_prints_its_table() -> None:
    result = CliRunner().invoke(app, ["paper", "some"])
    assert result.exit_code == 0
    assert "| answer | 42 |  |  |" in result.stdout


@pytest.mark.parametrize("name", command.PAPERS)
def test_every_paper_is_measured_on_a_device_and_reports(name: str) -> None:
    measure = signature(import_module(f"papers.{name}").measure)
    first, *sizes = measure.parameters.values()
    assert (first.name, first.annotation, measure.return_annotation) == ("device", str, Report)
    assert all(size.default is not size.empty for size in sizes)


@pytest.mark.usefixtures("some_paper")
def test_the_device_is_handed_on() -> None:
    result = CliRunner().invoke(app, ["paper", "some", "--device", "simulated", "--json"])
    assert json.loads(result.stdout)["device"] == "simulated"


@pytest.mark.usefixtures("some_paper")
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["other"], "error: no paper 'other'; choose from some"),
        (["some", "--device", "gpu"], "error: no device 'gpu'; choose from emulated, simulated"),
    ],
)
def test_an_unknown_name_is_refused_with_the_choices(arguments: list[str], error: str) -> None:
    result = CliRunner().invoke(app, ["paper", *arguments])
    assert result.exit_code == 1
    assert result.stderr.strip() == error
