"""A simulator is built once; a build that fails says why."""

import errno
from pathlib import Path

import numpy as np
import pytest

from formats.engine import EngineParameters
from formats.errors import DependencyError, DeviceError, InputError
from sw_runtime.device.random_matrices import random_activations
from sw_runtime.device.simulated import simulated_device
from sw_runtime.device.simulator.build import build_accelerator
from tests.sw_runtime.device.matrices import random_matrix

ONE_LANE = EngineParameters(("scaled-4bit",), port_bytes=4, maximum_columns=64, maximum_rows=64)


def test_a_simulator_is_compiled_once_with_bars_however_often_its_sources_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path))
    library = build_accelerator(ONE_LANE, None)
    shown = capsys.readouterr().err.splitlines()
    assert shown[0].startswith("writing the Verilog (scaled-4bit), once, up to a minute:   0% 0/1")
    building = [line for line in shown if line.startswith("building the simulator (scaled-4bit), once, up to a minute")]
    assert "   0% 0/4 [" in building[0]
    assert " 100% 4/4 [" in building[-1]
    built = library.stat().st_mtime_ns
    monkeypatch.setattr("sw_runtime.device.simulator.build.convert", lambda *_: pytest.fail("elaborated again"))
    assert build_accelerator(ONE_LANE, None) == library
    assert capsys.readouterr().err == ""
    monkeypatch.undo()
    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path))
    monkeypatch.setattr("sw_runtime.device.simulator.build.sources", lambda: iter(["sources with another comment"]))
    assert build_accelerator(ONE_LANE, None) == library
    assert library.stat().st_mtime_ns == built


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(DependencyError, match="no-such-compiler is not installed; `seedloom doctor` names what"):
        build_accelerator(ONE_LANE, None)
    assert not list(tmp_path.rglob("*.so"))


def test_a_failing_tool_shows_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path))
    monkeypatch.setattr("sw_runtime.device.simulator.build.COMPILER_FLAGS", ("--no-such-option",))
    with pytest.raises(DependencyError, match=r"(?s)failed while building the simulator:.*no-such-option"):
        build_accelerator(ONE_LANE, None)


def test_a_full_disk_is_told_as_the_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*arguments: object) -> str:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path))
    monkeypatch.setattr("sw_runtime.device.simulator.build.Accelerator", lambda *_: None)
    monkeypatch.setattr("sw_runtime.device.simulator.build.convert", no_room)
    with pytest.raises(InputError, match=rf"^no space is left for {tmp_path}/simulators \(.*SEEDLOOM_CACHE=FOLDER$"):
        build_accelerator(ONE_LANE, None)


def test_a_tool_that_finds_the_disk_full_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\necho No space left on device >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("SEEDLOOM_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(InputError, match=rf"^no space is left for {tmp_path}/simulators \(No space left on device\)"):
        build_accelerator(ONE_LANE, None)


def test_an_engine_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    device = simulated_device(ONE_LANE, simulators=1)
    monkeypatch.setattr("sw_runtime.device.driver.activation_beats", lambda *_: np.zeros((0, 4), np.uint8))
    handle = device.load(random_matrix("scaled-4bit", 3, 9))
    with pytest.raises(DeviceError, match=r"the simulated engine gave no answer within \d+ cycles"):
        device.matvec(handle, random_activations(1, 9, 16))
    device.close()
