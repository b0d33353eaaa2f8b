from pathlib import Path

import pytest
from typer.testing import CliRunner

from papers import __main__ as results
from papers import table
from papers.report import Report
from tests.papers.some_papers import LISTED, some_report


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two papers; the devices that they were measured on."""
    used: list[str] = []

    def kept_or_measured(name: str, device: str, folder: Path) -> Report:
        used.append(device)
        return some_report(name, device)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs" / "papers").mkdir(parents=True)
    (tmp_path / "README.md").write_text("head\n<!-- claims -->\nold\n<!-- end of claims -->\ntail\n")
    monkeypatch.setattr(results, "kept_or_measured", kept_or_measured)
    for user in (results, table):
        monkeypatch.setattr(user, "PAPERS", LISTED)
    return used


def test_results_and_readme_get_the_same_table_measured_on_the_simulated_hardware(devices: list[str]) -> None:
    result = CliRunner().invoke(results.app, [])
    assert result.exit_code == 0, result.output
    written = table.table({name: some_report(name, "simulated") for name in LISTED})
    assert written in Path("docs/papers/results.md").read_text()
    assert Path("README.md").read_text() == f"head\n<!-- claims -->\n{written}<!-- end of claims -->\ntail\n"
    assert devices == ["simulated", "simulated"]


def test_another_device_may_be_asked_for(devices: list[str]) -> None:
    CliRunner().invoke(results.app, ["--device", "emulated"])
    assert devices == ["emulated", "emulated"]
