"""A compression that is stopped ends with one line that says how to go on, and with an exit code that scripts know."""

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import seedloom
from seedloom.cli import app
from seedloom.interruption import GOES_ON
from sw_runtime.compress.lock import FILE, only_writer

KEPT = "; what is finished is kept"


def keep_a_layer(output: Path) -> None:
    (output / ".partial").mkdir(parents=True)
    (output / ".partial" / "layer.safetensors").touch()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("kept", [True, False])
def test_a_signal_ends_the_process_at_once_and_says_how_to_go_on(
    kept: bool, number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kept:
        keep_a_layer(tmp_path / "out")

    def compress(source: str, output: Path, **options: object) -> None:
        with only_writer(output):
            os.kill(os.getpid(), number)
            time.sleep(60)

    monkeypatch.setitem(vars(seedloom), "compress", compress)
    printed = tmp_path / "printed.txt"
    child = os.fork()
    if not child:
        os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT), 2)
        app(["compress", "source", str(tmp_path / "out")])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == GOES_ON == 75
    how = f" to go on{KEPT}" if kept else ""
    assert printed.read_text() == f"\nstopped by {number.name}; start the same command again{how}\n"
    assert not (tmp_path / "out" / FILE).exists()


def test_signals_are_handled_as_before_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run_with(OSError(errno.ENOSPC, "full"), monkeypatch, tmp_path)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def run_with(error: OSError, monkeypatch: pytest.MonkeyPatch, output: Path) -> Result:
    def compress(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setitem(vars(seedloom), "compress", compress)
    return CliRunner().invoke(app, ["compress", "source", str(output)])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_asks_for_room(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_a_layer(tmp_path)
    result = run_with(OSError(code, "disk full"), monkeypatch, tmp_path)
    line = f"error: no space is left for {tmp_path} ({os.strerror(code)}); make room, then start the same command again"
    line += f"{KEPT}\n"
    assert (result.exit_code, result.stdout, result.stderr) == (GOES_ON, "", line)


def test_a_full_disk_elsewhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_with(OSError(errno.ENOSPC, "disk full", "/cache/models"), monkeypatch, tmp_path)
    assert result.stderr.startswith(
        f"error: no space is left for /cache/models ({os.strerror(errno.ENOSPC)}); make room"
    )


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_named(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError(code, "not allowed", str(tmp_path / "model.safetensors"))
    line = f"error: {tmp_path} cannot be written (not allowed); make it writable, then start the same command again"
    result = run_with(error, monkeypatch, tmp_path)
    assert (result.exit_code, result.stderr) == (1, f"{line}\n")
    keep_a_layer(tmp_path)
    result = run_with(error, monkeypatch, tmp_path)
    assert (result.exit_code, result.stderr) == (GOES_ON, f"{line}{KEPT}\n")


@pytest.mark.parametrize(
    "error",
    [
        lambda folder: OSError(errno.EACCES, "not allowed", str(folder.parent / "source")),
        lambda folder: FileNotFoundError(errno.ENOENT, "not there", str(folder)),
    ],
)
def test_other_errors_of_the_system_are_shown_as_they_are(
    error: Callable[[Path], OSError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised = error(tmp_path)
    result = run_with(raised, monkeypatch, tmp_path)
    assert (result.exit_code, result.stderr) == (1, f"error: {raised}\n")
