"""Models out of GGUF files, as llama.cpp keeps them, through transformers' own reader."""

import hashlib
import logging
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from formats.errors import CheckpointError
from sw_runtime.cache import cache_folder
from sw_runtime.export.output import whole_output
from sw_runtime.pretrained import BAD_VALUES, check_loaded, first_sentence

FLOATS = ("F64", "F32", "F16", "BF16")
"""Types of tensors, as GGUF calls them, that were not quantised."""

logger = logging.getLogger("seedloom.compress")


def folder_of_gguf(file: Path) -> Path:
    """A Hugging Face folder of a GGUF file's model in the cache, named by the file's SHA-256; made on first use.

    It holds every weight as float32, which is exact, so it takes four bytes per weight. A warning says so if weights
    in the file are quantised.

    Raises
    ------
    CheckpointError
        If the file cannot be read, is one part of several, or holds a model that transformers does not know.
    """
    _warn_of_quantised(file)
    with open(file, "rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    folder = cache_folder("models") / digest[:16] / file.stem
    folder.parent.mkdir(exist_ok=True)
    convert_gguf(file, folder, "give another file of the model")
    return folder


def skeleton_of_gguf(file: Path) -> Any:
    """The model of a GGUF file by its header alone: float32 shapes on the meta device. Warns as ``folder_of_gguf``.

    Raises
    ------
    CheckpointError
        As ``folder_of_gguf``.
    """
    _warn_of_quantised(file)
    try:
        config = AutoConfig.from_pretrained(file.parent, gguf_file=file.name)
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    except BAD_VALUES as error:
        raise CheckpointError(
            f"{file} cannot be read ({first_sentence(error)}); give another file of the model"
        ) from error


def _warn_of_quantised(file: Path) -> None:
    quantised = sorted(_types(file) - {*FLOATS})
    if quantised:
        logger.warning(
            "%s is quantised already (%s): what compression loses adds to that", file.name, ", ".join(quantised)
        )


def convert_gguf(file: Path, folder: Path, remedy: str) -> None:
    """Write the model and the tokenizer of a GGUF file as a Hugging Face folder, unless it is there.

    Parameters
    ----------
    file
        The GGUF file; quantised weights are decoded, every weight is kept as float32.
    folder
        The folder to write; its parent is there.
    remedy
        What to do about a file that cannot be read; ends the message.

    Raises
    ------
    CheckpointError
        If the file cannot be read, or its tensors are not those of its model.
    OSError
        If the folder cannot be written; a full disk says to make room.
    """
    if folder.exists():
        return
    try:
        model, loaded = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.float32, output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    except BAD_VALUES as error:
        raise CheckpointError(f"{file} cannot be read ({first_sentence(error)}); {remedy}") from error
    check_loaded(file, model, **loaded)
    model.hf_quantizer.remove_quantization_config(model)  # transformers saves no model that has one of GGUF
    try:
        with whole_output(folder) as converted:
            model.save_pretrained(converted)
            tokenizer.save_pretrained(converted)
    except OSError:
        if not folder.exists():  # else another process was first
            raise


def _types(file: Path) -> set[str]:
    """Types of a file's tensors."""
    try:
        reader = GGUFReader(file)
        parts = reader.get_field("split.count")
        count = 1 if parts is None else int(parts.contents())
        types = {tensor.tensor_type.name for tensor in reader.tensors}
    except BAD_VALUES as error:
        raise CheckpointError(f"{file} cannot be read ({first_sentence(error)}); copy the file again") from error
    if count > 1:
        raise CheckpointError(f"{file} is one of {count} parts; join them: llama-gguf-split --merge FIRST WHOLE")
    return types
