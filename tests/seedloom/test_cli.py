import errno
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from typer.testing import CliRunner

import seedloom
from formats.errors import DeviceError, SeedloomError
from seedloom import cli
from seedloom.cli import COMMANDS, app
from seedloom.foreign_warnings import KNOWN, ForeignWarning, hide
from tests.models import tiny_llama

ROOT = Path(__file__).parents[2]


def raise_in_compress(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def compress(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setitem(vars(seedloom), "compress", compress)


@pytest.mark.parametrize(
    "error", [SeedloomError("rows\nmissing"), DeviceError("rows missing"), FileNotFoundError("rows missing")]
)
def test_an_expected_error_is_one_line_on_stderr(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_in_compress(monkeypatch, error)
    result = CliRunner().invoke(app, ["compress", "a", "b"])
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "error: rows missing\n")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("polish must be 0 or more", "--polish must be 0 or more"),
        ("fp16=3 is no text", "--fp16 3 is no text"),
        ("allow_partial must be True", "--allow-partial must be True"),
        ("as_json must be bool", "--json must be bool"),
        ("bits are shared out", "bits are shared out"),
        ("source must be a folder", "source must be a folder"),
    ],
)
def test_a_parameter_that_an_error_begins_with_is_called_as_the_option_was_typed(
    said: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_in_compress(monkeypatch, SeedloomError(said))
    result = CliRunner().invoke(app, ["compress", "a", "b"])
    assert (result.exit_code, result.stderr) == (1, f"error: {shown}\n")


def test_a_reader_that_leaves_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    raise_in_compress(monkeypatch, BrokenPipeError(errno.EPIPE, "Broken pipe"))
    result = CliRunner().invoke(app, ["compress", "a", "b"])
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "")


@pytest.mark.parametrize("printed", [["--version"], ["--help"]])
def test_a_full_disk_under_what_is_printed_first_is_one_line(printed: list[str]) -> None:
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "seedloom", *printed],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
            check=False,
        )
    said = "no space is left for the standard output (No space left on device); make room, or name another place"
    assert (run.returncode, run.stderr) == (1, f"error: {said}\n")


def test_a_terminal_that_lacks_a_character_shows_another(monkeypatch: pytest.MonkeyPatch) -> None:
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, encoding="latin-1"))
    monkeypatch.setattr(cli, "app", lambda prog_name: print("é 漢", flush=True))
    cli.main()
    assert written.getvalue().decode("latin-1") == "é ?\n"


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    error = SeedloomError("rows missing")
    raise_in_compress(monkeypatch, error)
    assert CliRunner().invoke(app, ["--debug", "compress", "a", "b"]).exception is error


@pytest.mark.parametrize("error", [ZeroDivisionError(), RuntimeError("shapes"), ValueError("zip"), KeyError("row")])
def test_any_other_error_keeps_its_traceback_and_asks_for_a_report(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_in_compress(monkeypatch, error)
    assert CliRunner().invoke(app, ["compress", "a", "b"]).exception is error
    last_line = "".join(traceback.format_exception(error)).splitlines()[-1]
    assert last_line.startswith(f"seedloom {seedloom.__version__} on Python {sys.version.split()[0]}, ")
    assert last_line.endswith("this is a fault of the program's; please report it with the lines above")


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"{seedloom.__version__}\n")


def run_in_a_process(*commands: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Commands one after another in a process of their own; its last line of output names the modules they imported."""
    code = (
        f"import sys\nfrom seedloom.cli import app\nfor command in {[list(command) for command in commands]}:\n"
        "    app(command, prog_name='seedloom', standalone_mode=False)\nprint(*sys.modules)"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    run = run_in_a_process(["--help"])
    *text, modules = run.stdout.splitlines()
    for command in COMMANDS:
        assert any(line.startswith(f"│ {command} ") for line in text)
    assert not {"torch", "transformers"} & set(modules.split())


def test_no_commands_help_imports_anything_heavy_or_warns() -> None:
    commands = [[name] for name in COMMANDS] + [["bench", "codec"]]
    run = run_in_a_process(*([*command, "--help"] for command in commands))
    for command in commands:
        assert f"Usage: seedloom {' '.join(command)} " in run.stdout
    assert not {"torch", "transformers"} & set(run.stdout.splitlines()[-1].split())
    assert run.stderr == ""


def test_a_commands_help_imports_its_module_alone() -> None:
    modules = run_in_a_process(["compress", "--help"]).stdout.splitlines()[-1].split()
    assert "seedloom.folders" in modules
    assert not {"seedloom.demo", "seedloom.bench", "papers.command"} & set(modules)


def test_a_command_that_is_not_there_is_refused_with_a_likely_one() -> None:
    result = CliRunner().invoke(app, ["compres"])
    assert result.exit_code == 2
    assert "No such command 'compres'" in result.stderr
    assert "compress" in result.stderr


def test_the_warnings_of_other_packages_that_nobody_can_mend_are_hidden(tiny_model: Callable[..., Path]) -> None:
    assert run_in_a_process(["inspect", str(tiny_model())]).stderr == ""


@pytest.mark.parametrize("options", [[], ["--verbose"]])
def test_what_is_chosen_for_a_layer_is_said_if_asked_for(options: list[str], tmp_path: Path) -> None:
    tiny_llama(num_hidden_layers=1).save_pretrained(tmp_path / "source")
    arguments = ["compress", str(tmp_path / "source"), str(tmp_path / "output"), "--modules", "q_proj"]
    arguments += ["--calibration", "none"]
    choice = "model.layers.0.self_attn.q_proj: trellis-4bit, method plain"
    assert (choice in run_in_a_process([*options, *arguments]).stderr) == bool(options)


@pytest.mark.parametrize("known", KNOWN)
def test_what_else_those_packages_log_is_shown(known: ForeignWarning, caplog: pytest.LogCaptureFixture) -> None:
    hide()
    logging.getLogger(known.logger).warning("%s", known.text)
    logging.getLogger(known.logger).warning("something new")
    assert [record.getMessage() for record in caplog.records] == ["something new"]


@pytest.mark.parametrize("command", [["inspect"], ["verify"], ["generate", "--device", "emulated"]])
def test_a_folder_that_is_not_there_is_named_with_the_remedy(command: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "nowhere"
    prompt = ["w1"] if command[0] == "generate" else []
    result = CliRunner().invoke(app, [*command, str(folder), *prompt])
    assert result.exit_code == 1
    assert result.stderr == f"error: {folder} is not a folder; name one that `seedloom compress` wrote\n"
