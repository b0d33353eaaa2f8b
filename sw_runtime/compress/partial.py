"""Finished parts of a long compression on disk, so that it can go on where it was stopped."""

import hashlib
import logging
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from formats.errors import CheckpointError
from sw_runtime.compress.lock import PARTS
from sw_runtime.compress.source import digest
from sw_runtime.json_files import json_text, read_object
from sw_runtime.whole_files import read_tensors, write_file, write_tensors

REMOVED = ".partial-done"
"""What the folder of parts is called while it is deleted, so that half of it is never taken for parts."""

logger = logging.getLogger("seedloom.compress")


def clear(output: Path) -> None:
    """Delete what a process left that was killed while it removed its parts."""
    shutil.rmtree(output / REMOVED, ignore_errors=True)


class PartialResults:
    """The folder ``.partial`` of an output folder: named parts, tensors with a record, and what they depend on.

    A part knows its SHA-256 and what it depends on. One that is damaged is deleted, with a warning, when it
    is first asked for, and counts as not finished.

    Parameters
    ----------
    output
        The output folder; made if it is not there.
    fingerprint
        Everything the results depend on, as JSON values. A folder of another fingerprint is refused.

    Raises
    ------
    CheckpointError
        If the folder holds results of another fingerprint, naming what differs and the remedy.
    """

    def __init__(self, output: Path, fingerprint: dict[str, Any]) -> None:
        self.folder = output / PARTS
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sound: set[str] = set()
        text = json_text(fingerprint)
        self._identity = hashlib.sha256(text.encode()).hexdigest()
        found = self._found_fingerprint()
        if found is None:
            write_file(self.folder / "fingerprint.json", text)
            return
        different = [key for key in fingerprint if found.get(key) != fingerprint[key]]
        if different:
            raise CheckpointError(
                f"{self.folder} holds parts of another compression: {', '.join(different)} "
                f"{'differs' if len(different) == 1 else 'differ'}; go on with what it was begun with, "
                f"or delete that folder to begin anew"
            )

    def _found_fingerprint(self) -> dict[str, Any] | None:
        """What the folder depends on; None where that is not there, or damaged."""
        path = self.folder / "fingerprint.json"
        if not path.exists():
            return None
        try:
            return read_object(path, "begin anew")
        except CheckpointError:
            logger.warning("%s is damaged and is written again", path)
            return None

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def has(self, name: str) -> bool:
        """Whether a part is finished and undamaged."""
        path = self._path(name)
        if name not in self._sound and path.exists():
            if self._is_sound(path):
                self._sound.add(name)
            else:
                logger.warning("%s is damaged and is made again", path)
                path.unlink()
        return name in self._sound

    def _is_sound(self, path: Path) -> bool:
        try:
            tensors, found = read_tensors(path)
            return bool(found["sha256"] == self._sum(tensors, found["part"]))
        except (SafetensorError, OSError, ValueError, TypeError, KeyError):
            return False

    def _sum(self, tensors: dict[str, Tensor], record: dict[str, Any]) -> str:
        depends = [self._identity, record, digest(dict(sorted(tensors.items())))]
        return hashlib.sha256(json_text(depends, sort_keys=True).encode()).hexdigest()

    def load(self, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """A finished part's tensors and record."""
        tensors, found = read_tensors(self._path(name))
        return tensors, found["part"]

    def save(self, name: str, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
        """Keep a finished part."""
        write_tensors(self._path(name), tensors, {"part": record, "sha256": self._sum(tensors, record)})
        self._sound.add(name)

    def delete(self, name: str) -> None:
        """Delete a part; one that is not there is none."""
        self._path(name).unlink(missing_ok=True)
        self._sound.discard(name)

    def remove(self) -> None:
        """Delete the folder once the whole is written."""
        removed = self.folder.with_name(REMOVED)
        os.replace(self.folder, removed)
        clear(removed.parent)
