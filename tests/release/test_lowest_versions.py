"""The lower bounds of pyproject.toml, as constraints."""

import runpy
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = str(ROOT / "benchmarks" / "lowest_versions.py")


def test_constraints_lowest_is_what_the_script_prints(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(SCRIPT, run_name="__main__")
    assert (ROOT / "constraints-lowest.txt").read_text() == capsys.readouterr().out


def test_only_lower_bounds_are_taken() -> None:
    project = {
        "dependencies": ["b[extra]>=1.5,<2", "unbounded"],
        "optional-dependencies": {"one": ["a>=3"], "two": ["c<4"]},
    }
    assert runpy.run_path(SCRIPT)["lowest_versions"](project) == ["a==3", "b==1.5"]


def test_no_bound_is_above_the_pinned_version() -> None:
    from packaging.version import Version

    lowest = runpy.run_path(SCRIPT)["lowest_versions"](tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    bounds = dict(line.split("==") for line in lowest)
    assert len(bounds) > 5
    for name in bounds.keys() & pinned.keys():
        assert Version(bounds[name]) <= Version(pinned[name]), name
