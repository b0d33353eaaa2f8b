import errno
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from formats.command_line import OneLineErrors, as_typed
from formats.errors import DeviceError, InputError

OPTIONS = {"clock_mhz": "--mhz", "bits": "--bits"}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("clock_mhz must be 25", "--mhz must be 25"),
        ("clock_mhz of a chip with cas_latency=2 must be 9", "--mhz of a chip with cas_latency=2 must be 9"),
        ("bits=9 is too much", "--bits 9 is too much"),
        ("bits of a layer are shared", "bits of a layer are shared"),
        ("rows must be 3", "rows must be 3"),
        ("two\nlines", "two lines"),
    ],
)
def test_an_option_is_called_as_it_is_typed(said: str, shown: str) -> None:
    assert as_typed(said, OPTIONS) == shown


def command(error: Exception) -> typer.Typer:
    """A command that always raises an error."""
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command(cls=OneLineErrors)
    def fail(clock_mhz: Annotated[float, typer.Option("--mhz")] = 0) -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("clock_mhz must be 25"), "error: --mhz must be 25\n"),
        (DeviceError("it\nstops"), "error: it stops\n"),
        (FileNotFoundError("no such file"), "error: no such file\n"),
    ],
)
def test_an_expected_error_is_one_line_on_stderr(error: Exception, line: str) -> None:
    result = CliRunner().invoke(command(error))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", line)


def test_a_reader_that_leaves_is_no_error() -> None:
    result = CliRunner().invoke(command(BrokenPipeError(errno.EPIPE, "Broken pipe")))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "")


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    error = ValueError("zip")
    assert CliRunner().invoke(command(error)).exception is error
