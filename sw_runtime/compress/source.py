"""The model to compress: how it is loaded, which of its tensors are stored, and the files beside its weights."""

import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from formats.errors import CheckpointError, InputError
from sw_runtime.compress.companions import copy_companions
from sw_runtime.compress.plain_weights import check_config, check_model_is_plain, check_names, check_stored_dtypes
from sw_runtime.file_views import FileViews
from sw_runtime.gguf_models import folder_of_gguf, skeleton_of_gguf
from sw_runtime.nn.checksums import CARD
from sw_runtime.nn.shards import read_headers, shard_files
from sw_runtime.pretrained import load_any_model, load_config, load_tokenizer

AT_ONCE = 1 << 24
"""Weights that are checked at once: bounds the memory for intermediate values."""

HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
"""Owner and name of a model on the Hugging Face Hub."""

logger = logging.getLogger("seedloom.compress")


@dataclass(frozen=True)
class Source:
    """A model with what belongs to it.

    Parameters
    ----------
    folder
        Where it was loaded from, or what a GGUF file was converted to; ``None`` for a model handed over as an
        object.
    views
        The weights that are read from the folder when they are used; ``None`` for a model handed over as an object.
    converted
        Bytes of the folder that a GGUF file would be converted to, where it was not.
    """

    model: Any
    tokenizer: Any | None
    folder: Path | None
    views: FileViews | None = None
    converted: int = 0

    def release(self) -> None:
        """Give back the memory of weights that are read from the folder again when they are used."""
        if self.views is not None:
            self.views.release()

    @property
    def name(self) -> str:
        """What the model is called: on the Hugging Face Hub where that shows, else as its folder."""
        place = self.model.name_or_path if self.folder is None else str(self.folder.resolve())
        cached = re.search(r"/models--([^/]+)--([^/]+)/snapshots/", place)
        if cached:
            return "/".join(cached.groups())
        on_hub = self.folder is None and HUB_NAME.fullmatch(place) and not Path(place).exists()
        return (place if on_hub else Path(place).name) or type(self.model).__name__

    @property
    def card(self) -> str:
        """The model's own card; empty where it has none."""
        path = self.folder and self.folder / CARD
        return path.read_text(encoding="utf-8", errors="replace") if path and path.is_file() else ""


def load(source: str | Path | nn.Module, tokenizer: Any | None) -> Source:
    """A model and its tokenizer from a Hugging Face folder or a GGUF file, or as they are handed over.

    Raises
    ------
    InputError
        If an object is no model of transformers.
    FileNotFoundError
        If there is no model.
    CheckpointError
        If the model or its tokenizer cannot be read, a tensor is missing, left over or of another shape than its
        layer, the model is compressed or quantised already, or an adapter is not merged into it.
    """
    if isinstance(source, nn.Module):
        if not isinstance(source, PreTrainedModel):
            raise InputError(f"source must be a model of transformers or a folder, not a {type(source).__name__}")
        check_model_is_plain(source)
        return Source(source.eval(), tokenizer, None)
    folder = source_folder(Path(source))
    if (folder / "adapter_config.json").exists():
        raise CheckpointError(f"{folder} holds an adapter; merge it into its model, or delete adapter_config.json")
    tensors = read_headers(shard_files(folder, pickles=True), pickles=True)
    check_config(load_config(folder), str(folder))
    check_names(tensors, str(folder))
    if tokenizer is None and (folder / "tokenizer_config.json").exists():
        tokenizer = load_tokenizer(folder)
    model = load_any_model(folder, dtype="auto")
    check_stored_dtypes(model, tensors)
    views = FileViews(model)
    if views.held:
        logger.warning(
            "%.1f MB of %s are stored otherwise than the model has them, so they stay in memory",
            views.held / 1e6,
            folder,
        )
    return Source(model.eval(), tokenizer, folder, views)


def skeleton(source: str | Path | nn.Module, tokenizer: Any | None) -> Source:
    """As ``load``; but a GGUF file is not converted: of its model only the shapes are known, on the meta device."""
    file = None if isinstance(source, nn.Module) else _gguf_file(Path(source))
    if file is None:
        return load(source, tokenizer)
    model = skeleton_of_gguf(file)
    return Source(model, tokenizer, None, converted=sum(parameter.nbytes for parameter in model.parameters()))


def source_folder(source: Path) -> Path:
    """The Hugging Face folder to compress: the source itself, or what a GGUF file is converted to.

    A GGUF file is named itself, or lies alone in a folder without other weights.

    Raises
    ------
    FileNotFoundError
        If there is no model, saying how to get one of the Hugging Face Hub.
    CheckpointError
        If a file is no GGUF file, or cannot be read.
    """
    file = _gguf_file(source)
    if file is not None:
        return folder_of_gguf(file)
    if source.is_file():
        raise CheckpointError(f"{source} is neither a folder nor a GGUF file; name the model's folder")
    if not source.is_dir():
        on_hub = HUB_NAME.fullmatch(str(source))
        remedy = f"download it first: hf download {source} --local-dir FOLDER" if on_hub else "name a model's folder"
        raise FileNotFoundError(f"there is no {str(source)!r} here; {remedy}")
    if not (source / "config.json").exists():
        raise FileNotFoundError(f"no model in {str(source)!r}: a Hugging Face folder has a config.json")
    return source


def _gguf_file(source: Path) -> Path | None:
    """The GGUF file that a source is, or holds without other weights; None of another source."""
    if source.suffix == ".gguf" and source.is_file():
        return source
    files = sorted(source.glob("*.gguf"))
    if not files or any(source.glob("*.safetensors")) or any(source.glob("*.bin")):
        return None
    if len(files) > 1:
        raise CheckpointError(f"{source} holds {', '.join(file.name for file in files)}; name one of them")
    return files[0]


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


def state_to_store(model: nn.Module, names: list[str], release: Callable[[], None] = lambda: None) -> dict[str, Tensor]:
    """Every tensor to store, still dense. A tensor under two names is stored once, unless a layer
    to compress is one of them: then the other keeps the dense values.

    Parameters
    ----------
    release
        Called whenever a tensor was read: may give back its memory.

    Raises
    ------
    CheckpointError
        If a tensor holds NaN or infinity.
    """
    chosen = {f"{name}.weight" for name in names}
    state: dict[str, Tensor] = {}
    seen = set()
    for name, tensor in model.state_dict().items():
        if not all(part.isfinite().all() for part in tensor.flatten().split(AT_ONCE)):
            raise CheckpointError(f"{name} holds NaN or infinity; give a checkpoint without damage")
        release()
        if name not in chosen:
            place = (tensor.data_ptr(), tensor.shape)
            if place in seen and tensor.numel():
                continue
            seen.add(place)
        state[name] = tensor.detach()
    return state


def digest(state: dict[str, Tensor], release: Callable[[], None] = lambda: None) -> str:
    """SHA-256 of tensors with their names, dtypes and shapes; ``release`` is called whenever one was read."""
    found = hashlib.sha256()
    for name, tensor in state.items():
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
        release()
    return found.hexdigest()


def write_companions(source: Source, output: Path) -> None:
    """Tokenizer, generation settings, chat template and whatever else lies beside the weights."""
    if source.folder:
        copy_companions(source.folder, output, without=["config.json", CARD])
        return
    if source.tokenizer is not None:
        source.tokenizer.save_pretrained(output)
    if getattr(source.model, "generation_config", None) is not None:
        source.model.generation_config.save_pretrained(output)
