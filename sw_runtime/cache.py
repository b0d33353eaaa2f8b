"""Where things that can be made again are kept: compiled kernels, converted models."""

import os
import platform
from functools import cache
from pathlib import Path


def cache_folder(name: str) -> Path:
    """The folder ``name`` of the cache, made if it is not there.

    The cache is ``$SEEDLOOM_CACHE``, or ``~/.cache/seedloom`` where that is not set.
    """
    folder = Path(os.environ.get("SEEDLOOM_CACHE") or Path.home() / ".cache" / "seedloom").expanduser() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@cache
def processor() -> str:
    """What ``-march=native`` depends on: part of the name of everything that is compiled for this machine."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    features = {line for line in lines if line.startswith(("model name", "flags", "Features"))}
    return "\n".join([platform.machine(), platform.processor(), *sorted(features)])
