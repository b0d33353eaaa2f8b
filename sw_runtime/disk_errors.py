"""What the system refuses is an OSError, whichever library was writing."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from safetensors import SafetensorError

from formats.errors import InputError
from formats.full_disk import FULL, naming


def check_writable(folder: Path, output: Path) -> None:
    """Make the folder that an output goes to, and write there once: before any work, it is known whether that goes.

    Raises
    ------
    InputError
        If it does not, naming the output.
    OSError
        If the disk is full, naming the folder.
    """
    try:
        with naming(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=folder) as file:
                file.write(b"\0")
    except OSError as error:
        if error.errno in FULL:
            raise
        raise InputError(
            f"{output} cannot be written ({error.strerror}); name a place that exists and that you may write to"
        ) from error


@contextmanager
def as_system_errors(path: Path) -> Iterator[None]:
    """safetensors has one kind of error for all that goes wrong, and numpy loses the number; give the system's back.

    Raises
    ------
    OSError
        With the system's number and words, naming ``path`` where the system names none.
    """
    try:
        with naming(path):
            yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        code = int(number[1])
        raise OSError(code, os.strerror(code), str(path)) from error
    except OSError as error:
        if error.errno is not None or re.search(r"\d+ requested and \d+ written", str(error)) is None:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
