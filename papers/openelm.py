"""OpenELM at small scale: trained here on bytes of real text, compressed, and run layer by layer on a device."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from statistics import mean, stdev

import torch
from torch import Tensor, nn

import seedloom
from formats.engine import EngineParameters
from formats.errors import InputError
from golden_models.openelm import (
    SIZES,
    OpenELM,
    OpenELMParameters,
    layer_shapes,
    parameter_count,
    rms_norm_calls,
)
from papers.claim import Finding
from papers.report import Report, on
from papers.seeds import as_seeds
from papers.window_training import train_on_windows
from sw_runtime.device.cost import pass_cost
from sw_runtime.device.protocol import Device
from sw_runtime.texts.corpora import news
from sw_runtime.texts.tokens import spread_windows

BYTES = 256
"""The vocabulary: text as it lies on disk needs no tokenizer."""

SCALED = OpenELMParameters(layers=6, dim=128, head_dim=8, vocabulary=BYTES, ffn_divisor=32)
UNIFORM = replace(SCALED, query_multipliers=(0.75, 0.75), ffn_multipliers=(2.25, 2.25))
"""The same number of layers and nearly of parameters, all layers alike: the comparison the paper does not make."""

SEEDS = 3
"""Starts, each with its own order of the text; the scaled and the uniform model share both."""

STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""95 % of Student's t lies within ± these, for 2 to 10 values."""

BATCH, LENGTH = 8, 128
LEARNING_RATE = 3e-3
HELD_OUT = 10
"""One byte in so many, at the end of the text, is never trained on."""

FORMATS = ("scaled-4bit", "paper-3bit")
"""Blocks of 8, which divide every width, and blocks of 12, which leave tails."""


@dataclass(frozen=True)
class Text:
    """Bytes to learn from and bytes to judge by: int64 [n]."""

    training: Tensor
    held_out: Tensor

    @classmethod
    def of(cls, text: str) -> "Text":
        """The last part held out."""
        octets = torch.tensor(list(text.encode()), dtype=torch.int64)
        cut = len(octets) - len(octets) // HELD_OUT
        return cls(octets[:cut], octets[cut:])


def train(parameters: OpenELMParameters, text: Text, steps: int, seed: int = 0) -> OpenELM:
    """A model trained to predict the next byte, from one seed's start: AdamW, one cycle of learning rate."""
    torch.manual_seed(seed)
    model = OpenELM(parameters)
    nn.init.normal_(model.token_embeddings.weight, std=parameters.dim**-0.5)  # it is the head too
    train_on_windows(
        model, _loss, text.training, BATCH, LENGTH, steps, LEARNING_RATE, seed + 1, "training", " nats a byte"
    )
    return model.eval()


def _loss(model: OpenELM, windows: Tensor) -> Tensor:
    """Mean nats a byte of windows, int64 [windows, length + 1]."""
    logits, _ = model(windows[:, :-1])
    return nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())


@torch.inference_mode()
def bits_a_byte(model: OpenELM, held_out: Tensor, windows: int = 32) -> float:
    """Cross-entropy on held-out text, int64 [n], the judge of byte models.

    Raises
    ------
    InputError
        If the text is too short for windows that do not overlap.
    """
    loss = _loss(model, spread_windows(held_out, windows, LENGTH + 1))
    return loss.item() / torch.log(torch.tensor(2.0)).item()


def interval_of_mean(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of the mean of 2 to 10 values, by Student's t.

    Raises
    ------
    InputError
        If there are fewer or more.
    """
    if not 2 <= len(values) <= len(STUDENT) + 1:
        raise InputError(f"an interval takes 2 to {len(STUDENT) + 1} seeds, not {len(values)}")
    half = STUDENT[len(values) - 2] * stdev(values) / len(values) ** 0.5
    return mean(values) - half, mean(values) + half


def compress_layers(model: OpenELM, format: str) -> None:
    """Replace every matrix of the layers by its seeds; the embedding, which is the head, stays."""
    for layer in model.layers:
        for name, linear in [(n, m) for n, m in layer.named_modules() if isinstance(m, nn.Linear)]:
            layer.set_submodule(name, as_seeds(linear, format))


@torch.inference_mode()
def continue_bytes(model: OpenELM, prompt: str, count: int) -> list[int]:
    """The likeliest next bytes, keys cached as hardware does: rotated."""
    logits, cache = model(torch.tensor(list(prompt.encode())))
    octets: list[int] = []
    while True:
        octets.append(int(logits[-1].argmax()))
        if len(octets) == count:
            return octets
        logits, cache = model(torch.tensor(octets[-1:]), cache)


@torch.inference_mode()
def cycles_a_layer(model: OpenELM, device: Device) -> list[int]:
    """Cycles of the device for one token in each layer."""
    spent: list[int] = []
    hooks = [
        layer.register_forward_pre_hook(lambda *_: spent.append(-device.counters.cycles)) for layer in model.layers
    ]
    hooks += [
        layer.register_forward_hook(lambda *_: spent.append(spent.pop() + device.counters.cycles))
        for layer in model.layers
    ]
    model(torch.tensor([32]))
    for hook in hooks:
        hook.remove()
    return spent


def layer_cycles(parameters: OpenELMParameters, engine: EngineParameters, format: str) -> Iterator[int]:
    """Cycles a token of each layer of a model that needs no weights: the engine's timing, exact on an ideal memory."""
    weight_format = engine.weight_formats[engine.formats.index(format)]
    for shape in layer_shapes(parameters):
        linears = shape.linears.values()
        yield sum(pass_cost(engine, weight_format, rows, columns, 1).cycles for rows, columns in linears)


def measure(
    device: str,
    steps: int = 400,
    parameters: OpenELMParameters = SCALED,
    uniform: OpenELMParameters = UNIFORM,
    new_bytes: int = 48,
    seeds: int = SEEDS,
) -> Report:
    """Train the scaled and the uniform model, compress a scaled one in both formats, generate on a device.

    Parameters
    ----------
    device
        ``"emulated"`` or ``"simulated"``.
    steps
        Of training, each of ``BATCH`` windows of ``LENGTH`` bytes.
    parameters, uniform
        The two models.
    new_bytes
        To generate.
    seeds
        Of training; the first one's scaled model is compressed.
    """
    text = Text.of(news())
    models = [train(parameters, text, steps, seed) for seed in range(seeds)]
    scaled = [bits_a_byte(model, text.held_out) for model in models]
    alike = [bits_a_byte(train(uniform, text, steps, seed), text.held_out) for seed in range(seeds)]
    saved = [theirs - ours for theirs, ours in zip(alike, scaled, strict=True)]
    loss: dict[str, float] = {}
    written: dict[str, str] = {}
    layers: dict[str, list[int]] = {}
    for format in FORMATS:
        model = OpenELM(parameters)
        model.load_state_dict(models[0].state_dict())
        compress_layers(model, format)
        loss[format] = bits_a_byte(model, text.held_out)
        one_format = EngineParameters((format,), maximum_columns=1024)
        with closing(seedloom.open_device(device, parameters=one_format)) as opened:
            seedloom.attach(model, opened)
            written[format] = bytes(continue_bytes(model, "The government ", new_bytes)).decode(errors="replace")
            layers[format] = cycles_a_layer(model, opened)
    engine = EngineParameters(("scaled-4bit", "fp16"), maximum_columns=8192, maximum_rows=16384)
    large = {format: list(layer_cycles(SIZES["1.1B"], engine, format)) for format in engine.formats}
    own = layers["scaled-4bit"]
    first, last = large["scaled-4bit"][0], large["scaled-4bit"][-1]
    figures: dict[str, float | str] = {
        **{f"bits per byte of held-out text, layer-wise scaled, seed {seed}": bits for seed, bits in enumerate(scaled)},
        **{f"bits per byte of held-out text, all layers alike, seed {seed}": bits for seed, bits in enumerate(alike)},
        "parameters, all layers alike": f"{parameter_count(uniform):,}",
        **{f"bits per byte of held-out text, scaled, seed 0, its matrices as {name}": loss[name] for name in FORMATS},
        "RMSNorms a token, our model": rms_norm_calls(parameters),
        "parameters of 1.1B's shapes": f"{parameter_count(SIZES['1.1B']):,}",
        "cycles per token, first / last layer, our model": f"{own[0]:,} / {own[-1]:,}",
        "cycles per token, first / last layer, 1.1B's shapes": f"{first:,} / {last:,}",
        "cycles of FP16 over seeds, 1.1B's shapes": sum(large["fp16"]) / sum(large["scaled-4bit"]),
    }
    size = (
        f"{parameter_count(parameters):,} parameters, {parameters.layers} layers, "
        f"{steps} steps on bytes of news, {seeds} seeds"
    )
    ran = f"host; text also by the engine, {on(device)}"
    findings = {
        "scaling": Finding(mean(saved), size, ran, interval_of_mean(saved)),
        "norms": Finding(float(rms_norm_calls(SIZES["1.1B"])), "shapes of 1.1 B", "computed"),
    }
    details = {"text": written, "cycles per layer": layers, "cycles per layer, 1.1B": large}
    return Report(device, findings, figures, details)
