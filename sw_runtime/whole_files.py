"""Files that are there whole or not at all, whenever the process or the machine stops."""

import os
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from sw_runtime.disk_errors import as_system_errors
from sw_runtime.json_files import json_text, parsed_object


def write_file(path: Path, text: str) -> None:
    """Write a text file so that it is there whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    _put(temporary, path)


def write_tensors(path: Path, tensors: dict[str, Tensor], record: dict[str, Any] | None = None) -> None:
    """Write a safetensors file, and JSON values in its header, so that it is there whole or not at all.

    Whoever may read a new file of this process may read it.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    temporary = path.with_name(path.name + ".tmp")
    metadata = {"format": "pt"} | ({} if record is None else {"record": json_text(record)})
    with as_system_errors(path):
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file(tensors, temporary, metadata)
        temporary.chmod(mode)  # safetensors lets only the owner read
    _put(temporary, path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What ``write_tensors`` wrote: tensors and record."""
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.offset_keys()}, parsed_object(file.metadata()["record"])


def _put(temporary: Path, path: Path) -> None:
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
