from pathlib import Path

import pytest
from typer.testing import CliRunner

from papers import __main__ as results
from papers import command
from papers.report import Figure, Report


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two papers whose measurements are noted."""
    calls: list[str] = []

    def measure(name: str, device: str) -> Report:
        if name == "broken":
            raise ValueError("no text")
        calls.append(name)
        return Report(name.title(), "a toy", device, [Figure("speed-up", 2.5, "2.8", "second-hand")])

    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs" / "papers").mkdir(parents=True)
    monkeypatch.setattr(command, "measure", measure)
    monkeypatch.setattr(command, "PAPERS", ("first", "second"))
    return calls


@pytest.mark.usefixtures("measured")
def test_every_figure_becomes_a_line_of_the_document() -> None:
    result = CliRunner().invoke(results.app, [])
    assert result.exit_code == 0
    lines = Path("docs/papers/results.md").read_text().splitlines()
    assert lines[-2:] == [
        "| First | speed-up | 2.5 | 2.8 | second-hand | a toy | emulated | `first` |",
        "| Second | speed-up | 2.5 | 2.8 | second-hand | a toy | emulated | `second` |",
    ]


def test_what_was_measured_is_kept(measured: list[str]) -> None:
    for _ in range(2):
        CliRunner().invoke(results.app, [])
    assert measured == ["first", "second"]


def test_a_failure_loses_nothing_that_was_measured(measured: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PAPERS", ("first", "broken"))
    assert CliRunner().invoke(results.app, []).exit_code == 1
    monkeypatch.setattr(command, "PAPERS", ("first", "second"))
    CliRunner().invoke(results.app, [])
    assert measured == ["first", "second"]


def test_a_changed_source_is_measured_anew(measured: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for digest in ("before", "after"):
        monkeypatch.setattr(results, "sources_digest", lambda digest=digest: digest)
        CliRunner().invoke(results.app, [])
    assert measured == ["first", "second"] * 2


def test_any_source_of_any_room_is_part_of_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {results.sources_digest()}
    for room in results.ROOMS:
        monkeypatch.setattr(results, "ROOMS", tuple(other for other in results.ROOMS if other != room))
        digests.add(results.sources_digest())
        monkeypatch.undo()
    assert len(digests) == 1 + len(results.ROOMS)
    assert {"formats", "golden_models", "hw", "papers", "sw_runtime", "seedloom"} == set(results.ROOMS)


def test_devices_are_kept_apart(measured: list[str]) -> None:
    for device in ("emulated", "simulated"):
        CliRunner().invoke(results.app, ["--device", device])
    assert measured == ["first", "second"] * 2
