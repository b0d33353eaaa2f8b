"""A whole result put instead of an older one: file by file, each in one step, and nothing else touched."""

import json
import os
from pathlib import Path

from sw_runtime.fit.report import REPORT
from sw_runtime.nn.checksums import CHECKSUMS
from sw_runtime.nn.shards import INDEX

LAST = (REPORT, "model.safetensors", INDEX, "config.json", CHECKSUMS)
"""These follow the other files, in this order. The last one lists all files: until it moves, both lists are there."""


def files_of(folder: Path) -> list[str]:
    """Every file in a folder and its folders, as relative paths, those of ``LAST`` at the end."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(names, key=lambda name: LAST.index(name) if name in LAST else -1)


def replace(output: Path, result: Path) -> None:
    """Move a result's files into an output folder, over older ones.

    Files of the older result that the new one does not have are deleted: those that its checksums list. Stopped
    on the way, it can be called again with the files that are left, or with all of them.

    Parameters
    ----------
    output
        The folder to put them into.
    result
        A folder on the same disk that holds the whole result.
    """
    names = files_of(result)
    for name in set(_listed(output)) - set(_listed(result)):
        (output / name).unlink(missing_ok=True)
    for name in names:
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(result / name, output / name)


def _listed(folder: Path) -> list[str]:
    """What a folder's checksums say belongs to the result; nothing where there are none, or damaged ones."""
    try:
        names = list(json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))["files"])
        return [name for name in names if (folder / name).resolve().is_relative_to(folder.resolve())]
    except (OSError, ValueError, TypeError, KeyError):
        return []
