"""Trellis formats against the scaled ones: weight error, output error with feedback, time to encode; docs/trellis.md.

``python benchmarks/trellis.py`` encodes Gaussian rows and rows of MiniLM without a text, then a whole gate
projection of SmolLM2 (layer 7) with error feedback, its inputs measured on Wikipedia articles that come
inside the package gensim. One thread; times are CPU time.
"""

import time

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from formats.matrices import real_weights
from formats.presets import PRESETS, TRELLIS_PRESETS
from formats.trellis import TrellisFormat
from golden_models.trellis import decode
from sw_runtime.fit import row_range, trellis_range
from sw_runtime.fit.covariance import Covariance, covariance
from sw_runtime.fit.feedback import encode_with_feedback, inverse_factor
from sw_runtime.search.search import encode_matrix
from sw_runtime.search.trellis import encode
from sw_runtime.texts.corpora import wikipedia_articles
from sw_runtime.texts.packaged_models import minilm_weights, smollm2_folder

ROWS = 12
TOKENS, ARTICLES, LAYER = 1024, 8, 7
PAIRS = [(f"scaled-{bits}bit", f"trellis-{bits}bit") for bits in (4, 3, 2)]


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


def gate_projection() -> tuple[Tensor, Covariance]:
    """A gate projection of SmolLM2, float32 [1536, 576], and the second moments of its inputs."""
    model = AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder())
    windows = [ids for ids in (tokenizer(text)["input_ids"] for text in wikipedia_articles()) if len(ids) >= TOKENS]
    layer, inputs = model.get_submodule(f"model.layers.{LAYER}.mlp.gate_proj"), []
    layer.register_forward_hook(lambda module, arguments, output: inputs.append(arguments[0].flatten(0, 1)))
    with torch.inference_mode():
        for window in windows[:ARTICLES]:
            model.base_model(input_ids=torch.tensor([window[:TOKENS]]))
    return layer.weight.detach(), covariance(torch.cat(inputs))


def relative_error(weights: Tensor, found: Tensor) -> float:
    """‖W − Ŵ‖ / ‖W‖, each row over its own size."""
    return float(((found - weights).square().sum(dim=1) / weights.square().sum(dim=1)).mean().sqrt())


def trellis_weights(weights: Tensor, trellis_format: TrellisFormat, scales: Tensor, factor: Tensor | None) -> Tensor:
    """Encoded and decoded again: float32 [rows, columns]."""
    words = encode(weights, trellis_format, scales, factor, threads=1).words
    return decode(words, scales, trellis_format, weights.shape[1])


def without_text(name: str, weights: Tensor) -> None:
    """Print the relative errors of a source of weights."""
    ones = [torch.ones(weights.shape[1])]
    for scaled, trellis in PAIRS:
        block_format, trellis_format = PRESETS[scaled], TRELLIS_PRESETS[trellis]
        words = encode_matrix(weights, block_format, row_range.scales(weights, block_format, ones), threads=1)
        found = trellis_weights(weights, trellis_format, trellis_range.scales(weights, trellis_format, ones), None)
        before, after = relative_error(weights, real_weights(words)), relative_error(weights, found)
        print(f"| {name} | {trellis} | {before:.4f} | {after:.4f} |", flush=True)


def with_feedback(weights: Tensor, moments: Covariance) -> None:
    """Print output errors and speeds of both on one matrix."""
    factor = inverse_factor(moments.capped)
    powers, rounded = [moments.plain.diagonal(), moments.capped.diagonal()], factor.diagonal() ** -2
    encode(weights[:8], TRELLIS_PRESETS["trellis-4bit"], torch.ones(8), factor)  # compiles
    for scaled, trellis in PAIRS:
        block_format, trellis_format = PRESETS[scaled], TRELLIS_PRESETS[trellis]
        trellis_scales = trellis_range.scales(weights, trellis_format, powers, rounded)
        start = time.process_time()
        after = trellis_weights(weights, trellis_format, trellis_scales, factor)
        between = time.process_time()
        scales = row_range.scales(weights, block_format, powers, rounded)
        before = real_weights(encode_with_feedback(weights, block_format, scales, factor))
        slower, speed = (weights.numel() / taken / 1000 for taken in (time.process_time() - between, between - start))
        errors = [moments.output_errors(weights, found)[1] for found in (before, after)]
        print(f"| gate_proj | {trellis} | {errors[0]:.4f} → {errors[1]:.4f} | {slower:.0f} → {speed:.0f} |", flush=True)


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    without_text("Gaussian", torch.randn(64, 384, generator=torch.Generator().manual_seed(0)))
    without_text("MiniLM", minilm_rows())
    with_feedback(*gate_projection())


if __name__ == "__main__":
    main()
