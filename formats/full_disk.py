"""A full disk: where it is, and what helps. An open file's errors name no path, so whoever writes names it."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says of a full disk, or a used-up share of one."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give the system's errors within a path, where they have none.

    Raises
    ------
    OSError
        With the system's number and words.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def system_words(error: OSError) -> str:
    """What a command says of the system's error: of a full disk its place and the remedy, of others their own words."""
    if error.errno not in FULL:
        return str(error)
    place, remedy = error.filename, "make room, or name another place"
    if place is None and _output_is_full():
        place = "the standard output"
    return f"no space is left{f' for {place}' if place else ''} ({os.strerror(error.errno)}); {remedy}"


def _output_is_full() -> bool:
    """Whether what stdout still keeps cannot be written; it is dropped then, or Python would fail at its end too."""
    if not isinstance(sys.stdout, TextIOWrapper):  # it is closed
        return False
    try:
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in FULL:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False
