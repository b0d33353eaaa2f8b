"""How much memory a compression takes beside that of the libraries, measured in a process of its own.

``python -m tests.sw_runtime.compress.memory FOLDER HIDDEN LAYERS VOCABULARY DTYPE`` writes a random model and
compresses it on a text: one matrix searched, all others to FP16. It prints the figures, in bytes, as JSON.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from sw_runtime.compress.folder import compress
from tests.conftest import write_tokenizer
from tests.sw_runtime.compress.kills import TEXT_WORDS

WINDOW = 64


def write_source(folder: Path, hidden: int, layers: int, vocabulary: int, dtype: torch.dtype) -> int:
    """A model of random weights, written layer by layer; the bytes of its weights."""
    config = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=min(2, hidden // 64),
        vocab_size=vocabulary,
        max_position_embeddings=WINDOW,
        tie_word_embeddings=False,
        dtype=dtype,
        architectures=["LlamaForCausalLM"],
    )
    write_tokenizer(folder)
    config.save_pretrained(folder)
    words = torch.randint(120, (TEXT_WORDS,), generator=torch.Generator().manual_seed(0))
    (folder / "calibration.txt").write_text(" ".join(f"w{word}" for word in words[: 5 * WINDOW].tolist()))
    with torch.device("meta"):
        skeleton = LlamaForCausalLM(config)
    shards: dict[str, dict[str, torch.Size]] = {}
    for name, tensor in skeleton.state_dict().items():
        layer = name.split(".")[2] if ".layers." in name else "outside"
        shards.setdefault(f"model-{layer}.safetensors", {})[name] = tensor.shape
    generator = torch.Generator().manual_seed(0)
    for file, shapes in shards.items():
        tensors = {name: _random(shape, dtype, generator) for name, shape in shapes.items()}
        save_file(tensors, folder / file, {"format": "pt"})
    index = {name: file for file, shapes in shards.items() for name in shapes}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _random(shape: torch.Size, dtype: torch.dtype, generator: torch.Generator) -> torch.Tensor:
    if len(shape) == 1:
        return torch.ones(shape, dtype=dtype)
    return (torch.randn(shape, generator=generator) * shape[1] ** -0.5).to(dtype)


def status(key: str) -> int:
    """A figure of this process, in bytes."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{key}:")]
    return 1024 * int(line.split()[1])


def compress_source(source: Path, output: Path) -> None:
    """On its text, in shards smaller than the model."""
    searched = r"layers\.0\.self_attn\.k_proj"
    compress(
        source,
        output,
        "trellis-4bit",
        calibration_text=source / "calibration.txt",
        fp16=f"^(?!.*{searched})",
        progress=False,
        shard_bytes=20_000_000,
        threads=1,
    )


def main(folder: Path, hidden: int, layers: int, vocabulary: int, dtype: str) -> dict[str, int]:
    """Write the source, compress it, and measure."""
    write_source(folder / "small", 64, 2, 256, torch.float32)
    compress_source(folder / "small", folder / "small-out")  # what libraries load at first use is no memory of ours
    weights = write_source(folder / "source", hidden, layers, vocabulary, getattr(torch, dtype))
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    compress_source(folder / "source", folder / "out")
    return {"weights": weights, "peak": status("VmHWM") - before}


if __name__ == "__main__":
    place, *sizes, name = sys.argv[1:]
    print(json.dumps(main(Path(place), *map(int, sizes), name)))
