from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from papers import __main__ as results
from papers import table
from papers.report import Report
from tests.papers.some_papers import LISTED, some_report


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], str, int]]:
    """Two papers; which were measured together, on what device and how many at a time."""
    calls: list[tuple[list[str], str, int]] = []

    def kept_or_measured(name: str, device: str, folder: Path) -> Report:
        return some_report(name, device)

    def side_by_side(measure: Callable[[str], Report], names: Sequence[str], jobs: int, folder: Path) -> None:
        assert folder == Path("build/papers")
        calls.append((list(names), measure(names[0]).device, jobs))

    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs" / "papers").mkdir(parents=True)
    (tmp_path / "README.md").write_text("head\n<!-- claims -->\nold\n<!-- end of claims -->\ntail\n")
    monkeypatch.setattr(results, "kept_or_measured", kept_or_measured)
    monkeypatch.setattr(results, "kept_file", lambda name, device, folder: folder / f"{name}-{device}.json")
    monkeypatch.setattr(results, "side_by_side", side_by_side)
    for user in (results, table):
        monkeypatch.setattr(user, "PAPERS", LISTED)
    return calls


Measured = list[tuple[list[str], str, int]]


def test_results_and_readme_get_the_same_table_measured_on_the_simulated_hardware(measured: Measured) -> None:
    result = CliRunner().invoke(results.app, ["--jobs", "3"])
    assert result.exit_code == 0, result.output
    written = table.table({name: some_report(name, "simulated") for name in LISTED})
    assert written in Path("docs/papers/results.md").read_text()
    assert Path("README.md").read_text() == f"head\n<!-- claims -->\n{written}<!-- end of claims -->\ntail\n"
    assert measured == [(["second", "first"], "simulated", 3)]  # the longer one begins


def test_another_device_may_be_asked_for_and_every_core_has_a_paper(
    measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "cores", lambda: 7)
    CliRunner().invoke(results.app, ["--device", "emulated"])
    assert measured == [(["second", "first"], "emulated", 7)]


def test_only_what_is_not_kept_is_measured(measured: Measured) -> None:
    kept = Path("build/papers")
    kept.mkdir(parents=True)
    (kept / "second-simulated.json").touch()
    CliRunner().invoke(results.app, ["--jobs", "2"])
    assert measured == [(["first"], "simulated", 2)]
    (kept / "first-simulated.json").touch()
    result = CliRunner().invoke(results.app, [])
    assert len(measured) == 1
    assert "| 2.5 [2, 3] |" in result.output


def test_no_jobs_are_refused(measured: Measured) -> None:
    result = CliRunner().invoke(results.app, ["--jobs", "0"])
    assert result.exit_code == 2
    assert "--jobs" in result.stderr
    assert not measured


def test_a_document_that_has_no_place_for_the_table_is_refused_before_anything_is_measured(measured: Measured) -> None:
    Path("markless.md").write_text("no table here", encoding="utf-8")
    Path("latin.md").write_bytes(b"caf\xe9")
    for arguments, reason in (
        (["--readme", "nowhere.md"], "nowhere.md cannot take the table: [Errno 2] No such file"),
        (["--readme", "markless.md"], "markless.md cannot take the table: there is no one place for the table"),
        (["--readme", "latin.md"], "latin.md cannot take the table: 'utf-8' codec can't decode"),
        (["--results", "docs"], "docs is a folder; name the document that takes the table"),
        (["--results", "/proc/none/results.md"], "/proc/none/results.md cannot be written (No such file or directory)"),
        (["--device", "none"], "no device 'none'; "),
    ):
        result = CliRunner().invoke(results.app, arguments)
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1), result.stderr
        assert result.stderr.startswith(f"error: {reason}")
    assert measured == []
