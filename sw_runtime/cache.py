"""Where things that can be made again are kept: compiled kernels, converted models."""

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """The folder ``name`` of the cache, made if it is not there.

    The cache is ``$SEEDLOOM_CACHE``, or ``~/.cache/seedloom`` where that is not set.
    """
    folder = Path(os.environ.get("SEEDLOOM_CACHE") or Path.home() / ".cache" / "seedloom").expanduser() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
