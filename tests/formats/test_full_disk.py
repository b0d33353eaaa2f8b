"""A full disk is told with its place and a remedy."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from formats.full_disk import FULL, naming, system_words


@pytest.mark.parametrize("code", FULL)
def test_a_full_disk_is_told_with_place_and_remedy(code: int) -> None:
    said = system_words(OSError(code, "full", "build/synth"))
    assert said == f"no space is left for build/synth ({os.strerror(code)}); make room, or name another place"


def test_a_place_that_nobody_knows_is_left_out() -> None:
    said = system_words(OSError(errno.ENOSPC, "full"))
    assert said == "no space is left (No space left on device); make room, or name another place"


def test_other_errors_keep_their_words() -> None:
    error = FileNotFoundError(errno.ENOENT, "not there", "model")
    assert system_words(error) == str(error)


def raise_within(path: str, error: OSError) -> None:
    with naming(Path(path)):
        raise error


def test_an_error_without_a_path_is_given_one() -> None:
    with pytest.raises(OSError, match=r"^\[Errno 28\] full: 'cache/key'$"):
        raise_within("cache/key", OSError(errno.ENOSPC, "full"))


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full", "elsewhere"), OSError("words alone")])
def test_an_error_that_names_one_or_has_no_number_stays_as_it_is(error: OSError) -> None:
    with pytest.raises(OSError, match=r"elsewhere|words alone") as raised:
        raise_within("cache/key", error)
    assert raised.value is error


def test_a_full_disk_under_stdout_is_told_once_and_is_exit_1() -> None:
    code = (
        "import typer\nfrom formats.command_line import OneLineErrors\napp = typer.Typer()\n"
        "@app.command(cls=OneLineErrors)\ndef say() -> None:\n    typer.echo('words')\napp()"
    )
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
            check=False,
        )
    said = "no space is left for the standard output (No space left on device); make room, or name another place"
    assert (run.returncode, run.stderr) == (1, f"error: {said}\n")
