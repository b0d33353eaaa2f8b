"""A place to write to that becomes the output when it is whole; nothing that is there already is touched."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from formats.full_disk import FULL
from sw_runtime.disk_errors import as_system_errors, check_writable


@contextmanager
def whole_output(output: Path) -> Iterator[Path]:
    """A path beside ``output``, moved there at the end; after an error nothing is left of it.

    Raises
    ------
    FileExistsError
        If there is something at ``output``: nothing is written over.
    InputError
        If nothing can be written there.
    OSError
        If the system refuses to write later; a full disk says to make room, here or where else it is.
    """
    check_output(output)
    prefix = f".{output.name}-"
    try:
        with TemporaryDirectory(dir=output.parent, prefix=prefix) as folder, as_system_errors(output):
            path = Path(folder) / output.name
            yield path
            _check_free(output)  # again: another process may have written there
            os.replace(path, output)
    except OSError as error:
        if error.errno not in FULL:
            raise
        place = output if error.filename is None or prefix in str(error.filename) else error.filename
        raise OSError(
            error.errno, f"no space is left ({error.strerror}); make room and start again", str(place)
        ) from error


def check_output(output: Path) -> None:
    """Refuse, before any work, a place where ``whole_output`` will write nothing; make its folder.

    Raises
    ------
    FileExistsError
        If there is something at ``output``.
    InputError
        If nothing can be written there.
    OSError
        If the disk is full.
    """
    _check_free(output)
    check_writable(output.parent, output)


def _check_free(output: Path) -> None:
    if os.path.lexists(output):
        raise FileExistsError(f"{output} is there already; choose another name, or delete it")
