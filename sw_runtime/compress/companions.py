"""The files beside a model's weights: which are copied, and which are weights once more."""

import logging
import shutil
from collections.abc import Collection
from pathlib import Path

WEIGHTS = (
    ".bin",
    ".bin.index.json",
    ".ckpt",
    ".gguf",
    ".h5",
    ".keras",
    ".mlmodel",
    ".msgpack",
    ".msgpack.index.json",
    ".npz",
    ".onnx",
    ".onnx.data",
    ".onnx_data",
    ".ot",
    ".pdparams",
    ".pt",
    ".pth",
    ".safetensors",
    ".safetensors.index.json",
    ".tflite",
)
"""Endings of files that hold weights, or list those that do, of whatever framework."""

logger = logging.getLogger("seedloom.compress")


def copy_companions(source: Path, output: Path, without: Collection[str]) -> None:
    """Copy what lies beside a model's weights, sub-folders too.

    Hidden files and folders are no part of a model. A sub-folder that holds weights is left out whole, with a
    warning: it is the model once more, for another framework (``onnx/``) or of another moment (``checkpoint-500/``).

    Parameters
    ----------
    source
        The model's folder.
    output
        The folder to copy into.
    without
        Names of files of the folder itself to leave out.
    """
    files = [path for path in sorted(source.rglob("*")) if path.is_file() and not _is_hidden(path.relative_to(source))]
    models = {path.parent for path in files if path.name.endswith(WEIGHTS)} - {source}
    for path in files:
        name = path.relative_to(source)
        if path.name.endswith(WEIGHTS) or name.as_posix() in without or models & set(path.parents):
            continue
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, output / name)
    if models:
        names = ", ".join(f"{path.relative_to(source).as_posix()}/" for path in sorted(models))
        logger.warning("not copied, as weights are in it: %s", names)


def _is_hidden(name: Path) -> bool:
    return any(part.startswith(".") for part in name.parts)
