"""One writer at a time in an output folder, and who that is.

The system drops a lock when its process ends, however it ends. The file that is locked says who holds it.
"""

import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from formats.errors import InputError
from sw_runtime.disk_errors import check_writable

FILE = ".writer.json"
"""Name of the lock's file in an output folder."""

PARTS = ".partial"
"""Where the writer of an output folder keeps finished parts, and the result until it is whole."""

logger = logging.getLogger("seedloom.compress")


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold a folder, made if it is not there, so that no other process compresses into it.

    A lock that a dead process of this machine left behind is taken over, with a warning.

    Raises
    ------
    InputError
        If another process holds the folder, naming its machine, its number and since when; or if the folder cannot be
        written.
    """
    check_writable(folder, folder)
    path = folder / FILE
    descriptor = _locked(path)
    try:
        _take_over(path, os.pread(descriptor, 4096, 0).decode(errors="replace"))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, _writer().encode(), 0)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def release(folder: Path) -> None:
    """Delete this process's lock file, before the process ends at once."""
    path = folder / FILE
    if path.exists() and _described(path.read_text(encoding="utf-8", errors="replace"))[2]:
        path.unlink()


def _locked(path: Path) -> int:
    """The file's descriptor, locked."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise InputError(_in_use(path)) from error
        if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
        os.close(descriptor)  # its last holder deleted it in the meantime


def _writer() -> str:
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    return json.dumps({"host": socket.gethostname(), "process": os.getpid(), "since": since})


def _described(text: str) -> tuple[str, str, bool]:
    """Machine of a lock's writer, the writer in words, and whether it is this process."""
    try:
        writer = json.loads(text)
        host, process, since = writer["host"], writer["process"], writer["since"]
    except (ValueError, TypeError, KeyError):
        return "", "another process", False
    ours = host == socket.gethostname() and process == os.getpid()
    return host, f"process {process} on {host}, since {since}", ours


def _in_use(path: Path) -> str:
    _, writer, _ = _described(path.read_text(encoding="utf-8", errors="replace"))
    return f"{path.parent} is being written by {writer}; wait for its end, or choose another folder"


def _take_over(path: Path, text: str) -> None:
    """Say whose lock is taken over; a lock of another machine is not, for not every file system shares locks."""
    if not text:
        return
    host, writer, _ = _described(text)
    if host not in ("", socket.gethostname()):
        raise InputError(f"{path.parent} is being written by {writer}; if that has ended, delete {path}")
    logger.warning("%s was being written by %s, which has ended; going on", path.parent, writer)
