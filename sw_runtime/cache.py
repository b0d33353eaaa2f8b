"""Where things that can be made again are kept: compiled kernels, converted models."""

import os
import platform
from functools import cache
from pathlib import Path

from formats.errors import InputError

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


@cache
def processor() -> str:
    """What ``-march=native`` depends on: part of the name of everything that is compiled for this machine."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    features = {line for line in lines if line.startswith(("model name", "flags", "Features"))}
    return "\n".join([platform.machine(), platform.processor(), *sorted(features)])
