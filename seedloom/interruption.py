"""A long command that is stopped says in one line how to go on."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import Signals

import typer

from formats.full_disk import FULL
from sw_runtime.compress.lock import PARTS, release
from sw_runtime.signals import signals_answered

GOES_ON = 75
"""Exit code (EX_TEMPFAIL of sysexits.h) where starting the same command again goes on from what is kept."""

AGAIN = "start the same command again"

KEPT = "; what is finished is kept"

NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def stopped_at_once(end: Callable[[], str]) -> Iterator[None]:
    """Answer SIGINT and SIGTERM by a line and the exit code ``GOES_ON``, other threads or not.

    Parameters
    ----------
    end
        Called before the process ends; returns the end of the line.
    """

    def stop(number: Signals) -> None:
        os.write(2, f"\nstopped by {number.name}; {AGAIN}{end()}\n".encode())
        os._exit(GOES_ON)

    with signals_answered(stop):
        yield


@contextmanager
def resumable(output: Path) -> Iterator[None]:
    """Answer SIGINT, SIGTERM, a full disk and a folder that cannot be written by a line and an exit code.

    A signal ends the process at once, searches in other threads included: whatever is on disk is whole.

    Parameters
    ----------
    output
        The folder that the work goes to.
    """

    def end() -> str:
        release(output)
        return f" to go on{KEPT}" if _keeps_layers(output) else ""

    try:
        with stopped_at_once(end):
            yield
    except OSError as error:
        line = _how_to_go_on(error, output)
        if line is None:
            raise
        kept = _keeps_layers(output)
        typer.echo(f"error: {line}, then {AGAIN}{KEPT if kept else ''}", err=True)
        raise typer.Exit(GOES_ON if kept else 1) from error


def _keeps_layers(output: Path) -> bool:
    """Whether a part is finished: a file of tensors, as ``PartialResults`` writes them."""
    return any((output / PARTS).glob("*.safetensors"))


def _how_to_go_on(error: OSError, output: Path) -> str | None:
    """What to do about a full disk or a folder that is not writable; None about other errors."""
    if error.errno in FULL:
        within = error.filename is None or str(error.filename).startswith(str(output))
        place = output if within else error.filename  # a converted GGUF file is in the cache
        return f"no space is left for {place} ({os.strerror(error.errno)}); make room"
    if error.errno in NOT_WRITABLE and str(error.filename).startswith(str(output)):
        return f"{output} cannot be written ({error.strerror}); make it writable"
    return None
