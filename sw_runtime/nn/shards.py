"""The files that hold a model's weights, and what their headers say of each tensor."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError, safe_open

from formats.errors import CheckpointError
from sw_runtime.json_files import read_object

COPY = "copy the model's folder again"
COPY_OR_COMPRESS = "copy the folder again or compress the model again"
"""Remedies: of any model's folder, and of a compressed one."""

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""What transformers looks for, the preferred one first; shards have an index of that name and ``.index.json``."""

INDEX = f"{WEIGHT_FILES[0]}.index.json"
"""What says in which shard a tensor is, where there are several."""

FLOATS = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
"""The dtypes that need no scale, and what safetensors calls them."""


@dataclass(frozen=True)
class StoredTensor:
    """What a header says of a tensor; a pickle's dtypes but ``FLOATS`` keep torch's names."""

    file: Path
    dtype: str
    shape: tuple[int, ...]


def shard_files(folder: Path, pickles: bool = False) -> list[Path]:
    """The files of a model's folder that hold its weights.

    Parameters
    ----------
    folder
        The model's folder.
    pickles
        Take ``pytorch_model.bin`` where there are no safetensors files.

    Raises
    ------
    FileNotFoundError
        If there are none, or the index names one that is not there.
    CheckpointError
        If the index is no index, names a file outside the folder, or stands beside a file that it does not name.
    """
    for whole in WEIGHT_FILES if pickles else WEIGHT_FILES[:1]:
        index = folder / f"{whole}.index.json"
        if index.exists():
            names = _indexed_files(index)
            if (folder / whole).exists() and names != [whole]:
                raise CheckpointError(f"{folder} has both {whole} and {index.name}; delete the one that is out of date")
            return [folder / name for name in names]
        if (folder / whole).is_file():
            return [folder / whole]
    raise FileNotFoundError(f"{folder} has no {WEIGHT_FILES[0]}; {COPY}")


def _indexed_files(index: Path) -> list[str]:
    weight_map = read_object(index, COPY).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index} has no weight_map from tensors to files; {COPY}")
    for tensor, name in weight_map.items():
        if not isinstance(name, str) or Path(name).name != name:
            raise CheckpointError(f"{index} names {name!r} for {tensor}, which is not a file of the folder; {COPY}")
        if not (index.parent / name).is_file():
            raise FileNotFoundError(f"{index.parent} has no {name}, which its index names; {COPY}")
    return sorted(set(weight_map.values()))


def read_headers(files: Iterable[Path], pickles: bool = False) -> dict[str, StoredTensor]:
    """Name, file, dtype and shape of every tensor in the files.

    Parameters
    ----------
    files
        The files of a model.
    pickles
        Take files that are not safetensors.

    Raises
    ------
    CheckpointError
        If a file is of a kind that is not taken, is damaged, or holds a tensor that another holds too.
    """
    tensors: dict[str, StoredTensor] = {}
    for file in files:
        if file.suffix != ".safetensors" and not pickles:
            raise CheckpointError(f"{file} is not a safetensors file, the only kind a compressed model is stored in")
        for name, tensor in _safetensors(file) if file.suffix == ".safetensors" else _pickled(file):
            if name in tensors:
                raise CheckpointError(f"tensor {name} is in {tensors[name].file} and in {file}; {COPY}")
            tensors[name] = tensor
    return tensors


def name_tensors(names: Collection[str]) -> str:
    """Words for one or more tensors: the first, and of the others two and how many more there are."""
    first, *others = sorted(names)
    listed = ", ".join(others[:2]) + (f" and {len(others) - 2} more" if len(others) > 2 else "")
    return f"tensor {first}" + (f" (also {listed})" if others else "")


def _safetensors(file: Path) -> Iterator[tuple[str, StoredTensor]]:
    try:
        with safe_open(file, framework="pt") as shard:
            for name in shard.keys():  # noqa: SIM118 (no mapping)
                header = shard.get_slice(name)
                yield name, StoredTensor(file, header.get_dtype(), tuple(header.get_shape()))
    except SafetensorError as error:
        raise CheckpointError(f"{file} is damaged ({error}); {COPY}") from error
    except RuntimeError as error:
        if "unable to mmap" not in str(error):
            raise
        raise CheckpointError(f"{file} is larger than the memory; save the model in shards (max_shard_size)") from error


def _pickled(file: Path) -> Iterator[tuple[str, StoredTensor]]:
    """Without reading the weights, and without running what a pickle may bring."""
    try:
        found = torch.load(file, map_location="meta", weights_only=True, mmap=is_zipfile(file))
        tensors = {name: tensor for name, tensor in found.items() if isinstance(tensor, torch.Tensor)}
    except OSError:
        raise
    except Exception as error:  # a damaged pickle is read as any instructions, and ends in any error
        reason, *_ = str(error).splitlines() or [type(error).__name__]
        raise CheckpointError(f"{file} is damaged ({reason}); {COPY}") from error
    for name, tensor in tensors.items():
        yield name, StoredTensor(file, FLOATS.get(tensor.dtype, str(tensor.dtype)), tuple(tensor.shape))
