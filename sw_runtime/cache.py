"""Where things that can be made again are kept: compiled kernels, converted models."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from formats.errors import InputError
from formats.full_disk import FULL

_REMEDY = "name a folder that you may write to in the environment: SEEDLOOM_CACHE=FOLDER"


def cache_folder(name: str) -> Path:
    """The folder ``name`` of the cache, made if it is not there.

    The cache is ``$SEEDLOOM_CACHE``, or ``~/.cache/seedloom`` where that is not set.

    Raises
    ------
    InputError
        If the folder cannot be made, or the user has no home.
    """
    try:
        folder = Path(os.environ.get("SEEDLOOM_CACHE") or "~/.cache/seedloom").expanduser() / name
    except RuntimeError as error:
        raise InputError(f"the cache has no place ({error}); {_REMEDY}") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the cache {folder} cannot be made ({error.strerror}); {_REMEDY}") from error
    return folder


@contextmanager
def cache_written(folder: Path) -> Iterator[None]:
    """Something is written into a folder of the cache within.

    Raises
    ------
    InputError
        If the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        place = folder if error.filename is None else error.filename
        raise InputError(
            f"no space is left for {place} ({os.strerror(error.errno)}); make room, or {_REMEDY}"
        ) from error


@cache
def processor() -> str:
    """What ``-march=native`` depends on: part of the name of everything that is compiled for this machine."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    features = {line for line in lines if line.startswith(("model name", "flags", "Features"))}
    return "\n".join([platform.machine(), platform.processor(), *sorted(features)])
