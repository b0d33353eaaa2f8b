"""Quantisers that people use, on the same layers: all linears but the head, which stays as it is.

GPTQ and auto-round see a text, the one that ours is fitted to; the others see none (hqq and the K-quants minimise an
error of the weights). Grids of 4 bits, an offset and groups of 32 are left out on purpose: models that arrive as Q4_1
lie on such a grid already. Q4_K is one whose scales are rounded, so its figure for such a model flatters it.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from formats.errors import DependencyError, InputError
from sw_runtime.evaluate.gptq import apply_gptq
from sw_runtime.evaluate.k_quants import k_quantised
from sw_runtime.evaluate.rounding import round_to_nearest
from sw_runtime.texts.calibration import token_windows
from sw_runtime.texts.corpora import news

GROUP = 128


@dataclass(frozen=True)
class Baseline:
    """A quantiser.

    Parameters
    ----------
    integer_bits
        Of a weight.
    group_bits
        Of a group's scale and offset.
    group
        Weights in a group, of the columns of a row.
    apply
        Quantises the layers of a transformers model in place.
    package
        What must be installed; None for our own.
    """

    integer_bits: int
    group_bits: int
    group: Callable[[int], int]
    apply: Callable[[Any], object]
    package: str | None = None

    def bits_per_weight(self, model: Any) -> float:
        """Stored bits per weight of a model's layers, scales and offsets included."""
        shapes = [layer.weight.shape for layer in layers_without_head(model).values()]
        groups = sum(rows * math.ceil(columns / self.group(columns)) for rows, columns in shapes)
        weights = sum(rows * columns for rows, columns in shapes)
        return self.integer_bits + self.group_bits * groups / weights


def layers_without_head(model: Any) -> dict[str, nn.Linear]:
    """Linear layers by name, but not the head."""
    head = model.get_output_embeddings()
    return {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear) and m is not head}


def _replace_weights(quantise: Callable[[Tensor], Tensor]) -> Callable[[Any], None]:
    """Put every layer's weights through a quantiser and back."""

    def apply(model: Any) -> None:
        with torch.no_grad():
            for layer in layers_without_head(model).values():
                layer.weight.copy_(quantise(layer.weight.detach()))

    return apply


def _hqq(weights: Tensor) -> Tensor:
    quantizer = import_module("hqq.core.quantize").Quantizer
    quantised, meta = quantizer.quantize(
        weights, nbits=4, group_size=64, axis=1, device="cpu", compute_dtype=torch.float32
    )
    restored: Tensor = quantizer.dequantize(quantised, meta)
    return restored


def _nf4(weights: Tensor) -> Tensor:
    functional = import_module("bitsandbytes.functional")
    quantised, state = functional.quantize_4bit(weights.contiguous(), blocksize=64, quant_type="nf4")
    restored: Tensor = functional.dequantize_4bit(quantised, state)
    return restored


def _k_quant(format: str) -> Callable[[Any], None]:
    """One of llama.cpp's K-quants; xllamacpp is llama.cpp in a package."""
    return _replace_weights(
        lambda weights: k_quantised(weights, format, str(import_module("xllamacpp.xllamacpp").__file__))
    )


def _torchao(model: Any) -> None:
    quantization = import_module("torchao.quantization")
    per_group = import_module("torchao.quantization.granularity").PerGroup
    four_bits: Any = torch  # whose stubs do not know its smallest integers
    names = set(layers_without_head(model))
    quantization.quantize_(
        model,
        quantization.IntxWeightOnlyConfig(weight_dtype=four_bits.int4, granularity=per_group(64)),
        filter_fn=lambda module, name: name in names,
    )


def quanto_group(columns: int) -> int:
    """What the package takes: the first of 128, 96, 64 and 32 that divides a longer row, or the whole row."""
    return next((group for group in (128, 96, 64, 32) if columns > GROUP and columns % group == 0), columns)


def _quanto(model: Any) -> None:
    quanto = import_module("optimum.quanto")
    quanto.quantize(model, weights=quanto.qint4, exclude="lm_head")
    quanto.freeze(model)


def calibration(folder: str) -> tuple[Any, Tensor]:
    """The tokenizer of a model's folder, and windows of the packaged text: int64 [windows, length]."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer, token_windows(news(), tokenizer)


def _gptq(bits: int) -> Callable[[Any], None]:
    """GPTQ of so many bits, on the packaged text."""

    def apply(model: Any) -> None:
        apply_gptq(model, calibration(model.name_or_path)[1], list(layers_without_head(model)), bits)

    return apply


def _auto_round(model: Any) -> None:
    """Rounding by what text shows of the inputs; the training of roundings (``iters``) takes hours without a GPU."""
    auto_round = import_module("auto_round")
    tokenizer, windows = calibration(model.name_or_path)
    batches = [{"input_ids": window[None], "attention_mask": torch.ones_like(window[None])} for window in windows]
    tuner = auto_round.AutoRound(
        copy.deepcopy(model),  # all of which it turns into bfloat16
        tokenizer,
        scheme="W4A16",
        iters=0,
        dataset=batches,
        seqlen=windows.shape[1],
        nsamples=len(windows),
        batch_size=4,
        device_map="cpu",
    )
    rounded = layers_without_head(tuner.quantize()[0])
    with torch.no_grad():
        for name, layer in layers_without_head(model).items():
            layer.weight.copy_(rounded[name].weight)


BASELINES = {
    "rtn-4bit-g128": Baseline(4, 16, lambda _: GROUP, _replace_weights(lambda weights: round_to_nearest(weights, 4))),
    "rtn-3bit-g128": Baseline(3, 16, lambda _: GROUP, _replace_weights(lambda weights: round_to_nearest(weights, 3))),
    "gptq-4bit-g128": Baseline(4, 16, lambda _: GROUP, _gptq(4)),
    "gptq-3bit-g128": Baseline(3, 16, lambda _: GROUP, _gptq(3)),
    "hqq-4bit-g64": Baseline(4, 32, lambda _: 64, _replace_weights(_hqq), "hqq"),
    "bnb-nf4": Baseline(4, 32, lambda _: 64, _replace_weights(_nf4), "bitsandbytes"),
    "gguf-q4_k": Baseline(4, 16, lambda _: 32, _k_quant("Q4_K"), "xllamacpp"),
    "gguf-q3_k": Baseline(3, 7, lambda _: 16, _k_quant("Q3_K"), "xllamacpp"),
    "gguf-q2_k": Baseline(2, 10, lambda _: 16, _k_quant("Q2_K"), "xllamacpp"),
    "torchao-int4-g64": Baseline(4, 16, lambda _: 64, _torchao, "torchao"),
    "quanto-qint4": Baseline(4, 32, quanto_group, _quanto, "optimum-quanto"),
    "auto-round-int4-g128": Baseline(4, 16, lambda _: GROUP, _auto_round, "auto-round"),
}
"""By name."""


def baseline_named(name: str) -> Baseline:
    """The baseline of a name.

    Raises
    ------
    InputError
        If there is none, with the choices.
    """
    if name not in BASELINES:
        raise InputError(f"no baseline {name!r}; choose from {', '.join(BASELINES)}")
    return BASELINES[name]


def check_installed(names: list[str]) -> None:
    """Refuse baselines that cannot run here, before hours are spent on others.

    Raises
    ------
    InputError
        As ``baseline_named``.
    DependencyError
        Naming every baseline whose package is not installed, and the command that installs them.
    """
    packages = {name: baseline_named(name).package for name in names}
    missing = [f"{name} ({package})" for name, package in packages.items() if package and not _is_installed(package)]
    if missing:
        raise DependencyError(
            f"baselines need packages that are not installed: {', '.join(missing)}; "
            "pip install 'seedloom[eval]', or name others"
        )


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def quantise(model: Any, name: str) -> None:
    """Quantise a model's layers in place.

    Raises
    ------
    InputError
        As ``baseline_named``.
    DependencyError
        If its package cannot be imported, naming the command that installs it.
    """
    baseline = baseline_named(name)
    try:
        baseline.apply(model)
    except ImportError as error:
        raise DependencyError(f"baseline {name} needs {baseline.package}: pip install 'seedloom[eval]'") from error
