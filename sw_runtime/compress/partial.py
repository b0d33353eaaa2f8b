"""Finished parts of a long compression on disk, so that it can go on where it was stopped."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from formats.errors import CheckpointError


def write_file(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    _put(temporary, path)


def write_tensors(path: Path, tensors: dict[str, Tensor], record: dict[str, Any] | None = None) -> None:
    """Write a safetensors file, and JSON values in its header, so that it is there whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    metadata = {"format": "pt"} | ({} if record is None else {"record": json.dumps(record)})
    save_file(tensors, temporary, metadata)
    _put(temporary, path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What ``write_tensors`` wrote: tensors and record."""
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.offset_keys()}, json.loads(file.metadata()["record"])


def _put(temporary: Path, path: Path) -> None:
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


class PartialResults:
    """The folder ``.partial`` of an output folder: named parts, tensors with a record, and what they depend on.

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
        self.folder = output / ".partial"
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "fingerprint.json"
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            different = [key for key in fingerprint if found.get(key) != fingerprint[key]]
            if different:
                raise CheckpointError(
                    f"{self.folder} holds parts of another compression: {', '.join(different)} "
                    f"{'differs' if len(different) == 1 else 'differ'}; go on with what it was begun with, "
                    f"or delete that folder to begin anew"
                )
        else:
            write_file(path, json.dumps(fingerprint, indent=1))

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def has(self, name: str) -> bool:
        """Whether a part is finished."""
        return self._path(name).exists()

    def load(self, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """A finished part's tensors and record."""
        return read_tensors(self._path(name))

    def save(self, name: str, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
        """Keep a finished part."""
        write_tensors(self._path(name), tensors, record)

    def remove(self) -> None:
        """Delete the folder once the whole is written."""
        shutil.rmtree(self.folder)
