"""Trellis formats, beside the scaled ones of the same bits: error and time to encode; docs/trellis.md.

``python benchmarks/trellis.py`` encodes Gaussian rows and rows of MiniLM without a text, then six matrices of two
layers of SmolLM2 with error feedback, their inputs measured on Wikipedia articles that come inside the package
gensim. The articles' last quarter is held out and judges. One thread; times are CPU time.
"""

import time
from collections.abc import Callable
from functools import partial

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from formats.matrices import real_weights
from formats.presets import PRESETS, TRELLIS_PRESETS
from sw_runtime.fit.covariance import InputStatistics, input_statistics
from sw_runtime.fit.encoders import Inputs, encoder_of
from sw_runtime.fit.report import Method
from sw_runtime.fit.workers import Threads
from sw_runtime.texts.corpora import wikipedia_articles
from sw_runtime.texts.packaged_models import minilm_weights, smollm2_folder

ROWS = 12
TOKENS, ARTICLES = 1024, 8
LAYERS = tuple(
    f"model.layers.{layer}"
    for layer in (
        *("7.self_attn.q_proj", "7.self_attn.o_proj", "7.mlp.gate_proj"),
        *("22.self_attn.k_proj", "22.self_attn.v_proj", "22.mlp.down_proj"),
    )
)
RIVALS = {name: name.replace("trellis", "scaled") for name in TRELLIS_PRESETS}
"""The scaled format of the same bits, where there is one."""


def minilm_rows() -> Tensor:
    """Rows of the model's matrices of 384 columns, some of each: float32 [rows, 384]."""
    generator = torch.Generator().manual_seed(0)
    return torch.cat(
        [
            tensor[torch.randperm(len(tensor), generator=generator)[:ROWS]]
            for name, tensor in load_file(minilm_weights()).items()
            if "layer." in name and tensor.dim() == 2 and tensor.shape[1] == 384
        ]
    ).float()


def smollm2_layers() -> dict[str, tuple[Tensor, InputStatistics]]:
    """Weights of ``LAYERS``, float32 [rows, columns], and what is known of their inputs."""
    model = AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder())
    windows = [ids for ids in (tokenizer(text)["input_ids"] for text in wikipedia_articles()) if len(ids) >= TOKENS]
    layers = {name: model.get_submodule(name) for name in LAYERS}
    inputs: dict[str, list[Tensor]] = {name: [] for name in LAYERS}
    for name, layer in layers.items():
        layer.register_forward_hook(lambda _, given, __, kept=inputs[name]: kept.append(given[0].flatten(0, 1)))
    with torch.no_grad():
        for window in windows[:ARTICLES]:
            model.base_model(input_ids=torch.tensor([window[:TOKENS]]))
    return {name: (layers[name].weight.detach(), input_statistics(torch.cat(inputs[name]))) for name in LAYERS}


def relative_error(weights: Tensor, found: Tensor) -> float:
    """‖W − Ŵ‖ / ‖W‖, each row over its own size."""
    return float(((found - weights).square().sum(dim=1) / weights.square().sum(dim=1)).mean().sqrt())


def capped_output_error(statistics: InputStatistics, weights: Tensor, found: Tensor) -> float:
    """Output error on the text held out, loud tokens capped."""
    return statistics.held_out.output_errors(weights, found)[1]


def encoded(weights: Tensor, name: str, method: Method, inputs: Inputs) -> tuple[Tensor, float]:
    """Weights encoded and decoded, float32 [rows, columns], and thousands of weights encoded a CPU-second."""
    encoder_of(name).encode([weights[:8]], method, inputs, Threads(1), None)  # compiles
    start = time.process_time()
    (matrix,) = encoder_of(name).encode([weights], method, inputs, Threads(1), None)
    taken = time.process_time() - start
    return real_weights(matrix), weights.numel() / taken / 1000


def print_rows(source: str, weights: Tensor, method: Method, inputs: Inputs, error: Callable[[Tensor], float]) -> None:
    """Encode a source of weights in every trellis format and its rival, and print errors and speeds."""
    for name, rival in RIVALS.items():
        found = [encoded(weights, format, method, inputs) for format in (rival, name) if format in (*PRESETS, name)]
        errors = " → ".join(f"{error(decoded):.4f}" for decoded, _ in found)
        speeds = " → ".join(f"{speed:.0f}" for _, speed in found)
        print(f"| {source} | {TRELLIS_PRESETS[name].bits_per_weight:g} | {errors} | {speeds} |", flush=True)


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    gaussian = torch.randn(64, 384, generator=torch.Generator().manual_seed(0))
    for source, rows in (("Gaussian", gaussian), ("MiniLM", minilm_rows())):
        print_rows(source, rows, "plain", Inputs(None), partial(relative_error, rows))
    for name, (weights, statistics) in smollm2_layers().items():
        output_error = partial(capped_output_error, statistics, weights)
        print_rows(name.removeprefix("model.layers."), weights, "feedback", Inputs(statistics), output_error)


if __name__ == "__main__":
    main()
