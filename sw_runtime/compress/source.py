"""The model to compress: how it is loaded, which of its tensors are stored, and the files beside its weights."""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from formats.errors import CheckpointError, InputError
from sw_runtime.pretrained import load_any_model, load_tokenizer

WEIGHT_FILES = (".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".gguf", ".pt", ".pth", ".h5")


@dataclass(frozen=True)
class Source:
    """A model with what belongs to it.

    Parameters
    ----------
    folder
        Where it was loaded from; ``None`` for a model handed over as an object.
    """

    model: Any
    tokenizer: Any | None
    folder: Path | None


def load(source: str | Path | nn.Module, tokenizer: Any | None) -> Source:
    """A model and its tokenizer from a Hugging Face folder, or as they are handed over.

    Raises
    ------
    FileNotFoundError
        If there is no model in the folder.
    CheckpointError
        If the model or its tokenizer cannot be read.
    """
    if isinstance(source, nn.Module):
        return Source(source.eval(), tokenizer, None)
    folder = Path(source)
    if not (folder / "config.json").exists():
        raise FileNotFoundError(f"no model in {str(folder)!r}: a Hugging Face folder has a config.json")
    if tokenizer is None and (folder / "tokenizer_config.json").exists():
        tokenizer = load_tokenizer(folder)
    return Source(load_any_model(folder, dtype="auto").eval(), tokenizer, folder)


def check_pattern(option: str, pattern: str | None) -> None:
    """Refuse what is no regular expression.

    Raises
    ------
    InputError
        Naming the option and what is wrong.
    """
    try:
        re.compile(pattern or "")
    except re.error as error:
        remedy = "put a backslash before characters that stand for themselves"
        raise InputError(f"{option} {pattern!r} is no regular expression ({error}); {remedy}") from error


def state_to_store(model: nn.Module, names: list[str]) -> dict[str, Tensor]:
    """Every tensor to store, still dense. A tensor under two names is stored once, unless a layer
    to compress is one of them: then the other keeps the dense values.

    Raises
    ------
    CheckpointError
        If a layer to compress holds NaN or infinity.
    """
    chosen = {f"{name}.weight" for name in names}
    state: dict[str, Tensor] = {}
    seen = set()
    for name, tensor in model.state_dict().items():
        if name in chosen:
            if not tensor.isfinite().all():
                raise CheckpointError(f"{name} holds NaN or infinity; repair the checkpoint or leave the layer out")
        elif tensor.data_ptr() in seen and tensor.numel():
            continue
        else:
            seen.add(tensor.data_ptr())
        state[name] = tensor.detach()
    return state


def digest(state: dict[str, Tensor]) -> str:
    """SHA-256 of tensors with their names, dtypes and shapes."""
    found = hashlib.sha256()
    for name, tensor in state.items():
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def write_companions(source: Source, output: Path) -> None:
    """Tokenizer, generation settings, chat template and whatever else lies beside the weights."""
    if source.folder:
        for path in sorted(source.folder.iterdir()):
            if path.is_file() and path.name != "config.json" and not path.name.endswith(WEIGHT_FILES):
                shutil.copyfile(path, output / path.name)
        return
    if source.tokenizer is not None:
        source.tokenizer.save_pretrained(output)
    if getattr(source.model, "generation_config", None) is not None:
        source.model.generation_config.save_pretrained(output)
