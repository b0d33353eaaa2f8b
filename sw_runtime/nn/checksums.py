"""The identity of a compressed folder: SHA-256 of every tensor and of every file, kept in ``checksums.json``."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from formats.errors import CheckpointError
from sw_runtime.json_files import read_object
from sw_runtime.nn.shards import COPY_OR_COMPRESS, read_headers, shard_files

CHECKSUMS = "checksums.json"

CARD = "README.md"
"""The model card, which may be changed: a measured figure added, the name of the original put right."""

READ_BY_LOADERS = (".bin", ".jinja", ".json", ".model", ".pt", ".py", ".safetensors", ".txt")
"""Endings of files that change what is loaded; any other file may be added to a folder, a licence for example."""


def checksums(folder: Path) -> dict[str, dict[str, str]]:
    """SHA-256, as hexadecimal digits, of what a folder holds; hidden files and the model card do not count.

    Returns
    -------
    ``tensors`` by name, dtype and shape included, and ``files`` by path, the weights' files among them.

    Raises
    ------
    FileNotFoundError, CheckpointError
        If the weights' files are missing or damaged.
    """
    tensors: dict[str, str] = {}
    for file in shard_files(folder):
        with safe_open(file, framework="pt", backend="pread") as shard:  # a view would stay in memory to the end
            tensors |= {name: _tensor_digest(shard.get_tensor(name)) for name in read_headers([file])}
    return {"tensors": tensors, "files": {name: _file_digest(folder / name) for name in _files(folder)}}


def check_checksums(folder: Path) -> None:
    """Compare a folder with its ``checksums.json``.

    Raises
    ------
    FileNotFoundError
        If it has none.
    CheckpointError
        Naming tensors and files that differ, are missing or were added.
    """
    kept, found = _read(folder / CHECKSUMS), checksums(folder)
    differences = _differences("tensor ", kept["tensors"], found["tensors"])
    files = {name: digest for name, digest in found["files"].items() if name in kept["files"] or _is_loaded(name)}
    differences += _differences("", kept["files"], files)
    if differences:
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise CheckpointError(
            f"{folder} is not what {CHECKSUMS} says: {', '.join(differences[:3])}{more}; {COPY_OR_COMPRESS}"
        )


def _differences(kind: str, kept: dict[str, str], found: dict[str, str]) -> list[str]:
    """What is wrong with each name, in words."""
    return [
        f"{kind}{name} " + ("is missing" if name not in found else "was added" if name not in kept else "has changed")
        for name in sorted(kept | found)
        if kept.get(name) != found.get(name)
    ]


def _read(path: Path) -> dict[str, dict[str, str]]:
    content: dict[str, Any] = read_object(path, COPY_OR_COMPRESS)
    if set(content) != {"tensors", "files"} or not all(isinstance(part, dict) for part in content.values()):
        raise CheckpointError(f"{path} is damaged (it needs tensors and files, and nothing else); {COPY_OR_COMPRESS}")
    return content


def _files(folder: Path) -> list[str]:
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    hidden = [path for path in paths if any(part.startswith(".") for part in path.parts)]
    return sorted(path.as_posix() for path in set(paths) - set(hidden) - {Path(CHECKSUMS), Path(CARD)})


def _is_loaded(name: str) -> bool:
    return name.endswith(READ_BY_LOADERS)


def _tensor_digest(tensor: Tensor) -> str:
    found = hashlib.sha256(f"{tensor.dtype} {list(tensor.shape)}".encode())
    found.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
