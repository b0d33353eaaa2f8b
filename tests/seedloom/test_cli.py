from pathlib import Path

import pytest
from typer.testing import CliRunner

import seedloom
from seedloom.cli import app


def raise_in_compress(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def compress(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setitem(vars(seedloom), "compress", compress)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("rows\nmissing"),
        FileNotFoundError("rows missing"),
        ImportError("rows missing"),
        RuntimeError("rows missing"),
    ],
)
def test_an_expected_error_is_one_line_on_stderr(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_in_compress(monkeypatch, error)
    result = CliRunner().invoke(app, ["compress", "a", "b"])
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "error: rows missing\n")


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ValueError("rows missing")
    raise_in_compress(monkeypatch, error)
    assert CliRunner().invoke(app, ["--debug", "compress", "a", "b"]).exception is error


def test_an_unexpected_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ZeroDivisionError()
    raise_in_compress(monkeypatch, error)
    assert CliRunner().invoke(app, ["compress", "a", "b"]).exception is error


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"{seedloom.__version__}\n")


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for command in ("doctor", "compress", "inspect", "verify", "generate"):
        assert command in result.stdout


@pytest.mark.parametrize("command", [["inspect"], ["verify"], ["generate", "--device", "emulated"]])
def test_a_folder_that_is_not_there_is_named_with_the_remedy(command: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "nowhere"
    prompt = ["w1"] if command[0] == "generate" else []
    result = CliRunner().invoke(app, [*command, str(folder), *prompt])
    assert result.exit_code == 1
    assert result.stderr == f"error: {folder} is not a folder; name one that `seedloom compress` wrote\n"
