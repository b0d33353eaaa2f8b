"""``seedloom demo``: a real language model writes text through the simulated accelerator."""

from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import seedloom
from formats.errors import InputError
from seedloom.options import Format, Json
from sw_runtime.json_files import figures_text

if TYPE_CHECKING:
    from torch import nn

    from seedloom.demo_decoder import WholeDecoderResult
    from sw_runtime.device.protocol import Counters, Device

PROMPT = "Once upon a time in a small village, there lived a"
CLOCK = 100e6
"""Cycles per second that the speeds are stated at, in reach of an ECP5 (docs/hardware.md)."""

MEMORIES = {
    "64 bytes per cycle": 64 * CLOCK,
    "DDR3, 16 bits at 1.6 GB/s": 1.6e9,
    "SDR, 16 bits at 0.2 GB/s": 0.2e9,
}
"""Peak bytes per second of the memories that the speeds are stated for."""


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration measured; everything a token is the mean over generated tokens.

    ``bytes_per_token`` is what the memory port read; ``port_busy`` the share of cycles in which it
    did. ``baseline_cycles_per_token`` and ``speedup`` compare with FP16 lanes on the same port,
    simulated on the same matrices. ``whole_decoder`` is what a board that does all of the decoder counted; None for
    formats that no such board multiplies by.
    """

    text: str
    tokens: list[int]
    tokens_equal_emulated: bool
    format: str
    cycles_per_token: float
    bytes_per_token: float
    port_busy: float
    baseline_cycles_per_token: float
    baseline_bytes_per_token: float
    speedup: float
    tokens_per_second: dict[str, dict[str, float]]
    whole_decoder: "WholeDecoderResult | None"


def compressed_model(format: str) -> Path:
    """The demonstration's model as seeds, fitted to the packaged text at the first call and kept in the cache."""
    from sw_runtime.cache import cache_folder
    from sw_runtime.compress.folder import ENCODER_VERSION
    from sw_runtime.texts.packaged_models import smollm2_folder

    folder = cache_folder("demo") / f"SmolLM2-135M-Instruct-{format}-encoder{ENCODER_VERSION}"
    if not (folder / "config.json").exists():
        typer.echo(f"compressing SmolLM2-135M-Instruct to {format}, once: minutes, resumed if interrupted", err=True)
        seedloom.compress(str(smollm2_folder()), folder, format=format, calibration_text="packaged")
    return folder


def _generate(model: Any, tokenizer: Any, prompt: str, tokens: int, device: "Device", show: bool) -> Any:
    """Greedy continuation on a device: token ids and the counters spent on each token after the first."""
    from sw_runtime.methods.continuation import continue_text
    from sw_runtime.nn.streaming import CountingStreamer

    streamer = CountingStreamer(tokenizer, device, show)
    seedloom.attach(model, device)
    try:
        ids = continue_text(model, tokenizer, prompt, tokens, streamer)
    finally:
        seedloom.detach(model)
    return ids, streamer.spent


def _baseline(model: "nn.Module") -> "Counters":
    """One token's linears on FP16 lanes: a matrix of each shape is simulated and counted as often as it occurs."""
    import torch

    from formats.engine import EngineParameters
    from formats.matrices import Fp16Matrix
    from sw_runtime.device.protocol import Counters
    from sw_runtime.device.simulated import simulated_device
    from sw_runtime.nn.attach import compressed_linears

    layers = list(compressed_linears(model).values())
    shapes = Counter((layer.out_features, layer.in_features) for layer in layers)
    device = simulated_device(EngineParameters(("fp16",)))
    total = Counters()
    try:
        for layer in {(layer.out_features, layer.in_features): layer for layer in layers}.values():
            handle = device.load(Fp16Matrix(layer.decoded(torch.float16)))
            before = replace(device.counters)
            device.matvec(handle, torch.ones(1, layer.in_features, dtype=torch.int64))
            for _ in range(shapes[layer.out_features, layer.in_features]):
                total += device.counters - before
            device.unload(handle)
    finally:
        device.close()
    return total


def _speeds(cycles: float, bytes_moved: float) -> dict[str, float]:
    """Tokens per second at ``CLOCK``: the slower of the engine and of each memory."""
    return {name: min(CLOCK / cycles, peak / bytes_moved) for name, peak in MEMORIES.items()}


def run_demo(format: str = "trellis-4bit", tokens: int = 48, prompt: str = PROMPT, show: bool = False) -> DemoResult:
    """Generate on the simulated device, again on the emulated one, simulate the FP16 baseline and a whole decoder.

    Raises
    ------
    InputError
        If the format is unknown, the prompt empty, or a packaged model is missing, with the remedy.
    DependencyError
        If the simulator cannot be built.
    """
    from formats.presets import preset_named

    preset_named(format)  # refuses a name that is no format before anything long begins
    if not prompt:
        raise InputError("the prompt is empty; give a word to begin with")
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from formats.engine import EngineParameters
    from sw_runtime.device.protocol import Counters
    from sw_runtime.nn.attach import compressed_linears

    logging.set_verbosity_error()
    folder = compressed_model(format)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    formats = {layer.format_name for layer in compressed_linears(model).values()}
    parameters = EngineParameters(tuple(sorted(formats)))  # a layer that its format would spoil has another
    simulated = seedloom.open_device("simulated", parameters=parameters)
    ids, spent = _generate(model, tokenizer, prompt, tokens, simulated, show)
    simulated.close()
    emulated = seedloom.open_device("emulated", parameters=parameters)
    emulated_ids, _ = _generate(model, tokenizer, prompt, tokens, emulated, False)
    emulated.close()
    baseline = _baseline(model)
    mean = sum(spent, Counters())
    cycles, moved = mean.cycles / len(spent), (mean.weight_bytes + mean.activation_bytes) / len(spent)
    baseline_bytes = baseline.weight_bytes + baseline.activation_bytes
    return DemoResult(
        text=prompt + tokenizer.decode(ids, skip_special_tokens=True),
        tokens=ids,
        tokens_equal_emulated=ids == emulated_ids,
        format=format,
        cycles_per_token=cycles,
        bytes_per_token=moved,
        port_busy=mean.port_busy_cycles / mean.cycles,
        baseline_cycles_per_token=baseline.cycles,
        baseline_bytes_per_token=baseline_bytes,
        speedup=baseline.cycles / cycles,
        tokens_per_second={format: _speeds(cycles, moved), "fp16": _speeds(baseline.cycles, baseline_bytes)},
        whole_decoder=_whole_decoder(model, tokenizer),
    )


def _whole_decoder(model: Any, tokenizer: Any) -> "WholeDecoderResult | None":
    """The model's first layers on a whole decoder; a line says why, where none does its format."""
    from seedloom.demo_decoder import run_whole_decoder

    try:
        return run_whole_decoder(model, tokenizer)
    except InputError as error:
        typer.echo(f"no whole decoder: {error}", err=True)
        return None


def demo(
    tokens: Annotated[int, typer.Option(min=2, help="Number of tokens to generate.")] = 48,
    format: Format = "trellis-4bit",
    prompt: Annotated[str, typer.Option(help="Text to continue.")] = PROMPT,
    device: Annotated[
        str | None, typer.Option(help="Instead, write tokens on this device with a model of two small layers.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Generate a story with SmolLM2-135M on the simulated accelerator."""
    if device is not None:
        from seedloom.demo_device import run_on, show

        show(run_on(device, format, tokens), as_json)
        return
    result = run_demo(format, tokens, prompt, show=not as_json)
    if as_json:
        typer.echo(figures_text(asdict(result)))
    else:
        _print(result)


def _print(result: DemoResult) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="per token: all 211 linear layers of SmolLM2-135M, 64-byte port")
    for heading in ("", f"seeds ({result.format})", "FP16 baseline"):
        table.add_column(heading, justify="right" if heading else "left")
    table.add_row("cycles per token", f"{result.cycles_per_token:,.0f}", f"{result.baseline_cycles_per_token:,.0f}")
    table.add_row("bytes per token", f"{result.bytes_per_token:,.0f}", f"{result.baseline_bytes_per_token:,.0f}")
    table.add_row("port busy", f"{result.port_busy:.1%}", "")
    table.add_row("speed-up", f"{result.speedup:.2f}", "1")
    for name in MEMORIES:
        speeds = [f"{result.tokens_per_second[key][name]:.1f}" for key in (result.format, "fp16")]
        table.add_row(f"tokens/s, {CLOCK / 1e6:.0f} MHz, {name}", *speeds)
    Console().print(table)
    verdict = "all equal" if result.tokens_equal_emulated else "DIFFERENT"
    typer.echo(f"tokens of the simulated and the emulated device: {verdict} ({len(result.tokens)})")
    if result.whole_decoder:
        from seedloom.demo_decoder import show

        show(result.whole_decoder)
