"""``seedloom demo --device NAME``: a small model writes tokens on any device, a board or a simulated one among them."""

import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import typer

import seedloom
from sw_runtime.json_files import figures_text

if TYPE_CHECKING:
    from sw_runtime.device.protocol import Counters, Device

PROMPT = (1, 20, 3)
WIDTH, LAYERS, WORDS = 64, 2, 128


@dataclass(frozen=True)
class DeviceDemoResult:
    """Tokens that a device wrote; seconds are this machine's, and these and the cycles are of prompt and tokens."""

    device: str
    format: str
    tokens: list[int]
    tokens_equal_emulated: bool
    loading_seconds: float
    seconds: float
    cycles: int
    bytes: int


def small_model(folder: Path, format: str) -> Any:
    """A Llama of random weights, two layers 64 wide, compressed to a folder and loaded from it.

    Raises
    ------
    InputError
        If there is no such format.
    """
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=WORDS,
        bos_token_id=1,
        eos_token_id=None,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder / "dense")
    seedloom.compress(str(folder / "dense"), folder / "compressed", format=format, calibration_text=None)
    return AutoModelForCausalLM.from_pretrained(folder / "compressed", dtype=torch.float32)


def run_on(name: str, format: str, tokens: int) -> DeviceDemoResult:
    """Generate on a device, and again on the emulated one.

    Raises
    ------
    InputError
        If there is no such device or format.
    DependencyError, DeviceError
        As the device's opening and its products.
    """
    from formats.engine import EngineParameters
    from formats.presets import preset_named
    from sw_runtime.progress import progress_bars

    preset_named(format)  # refuses a name that is no format before anything long begins
    parameters = EngineParameters((format,))
    seedloom.find_device(name)
    from transformers.utils import logging

    logging.set_verbosity_error()
    with TemporaryDirectory() as folder, progress_bars(shown=False):
        model = small_model(Path(folder), format)
        with closing(seedloom.open_device("emulated", parameters=parameters)) as emulated:
            expected, *_ = _write(model, emulated, tokens)
        with closing(seedloom.open_device(name, parameters=parameters)) as device:
            written, loading, seconds, spent = _write(model, device, tokens)
    return DeviceDemoResult(
        device=name,
        format=format,
        tokens=written,
        tokens_equal_emulated=written == expected,
        loading_seconds=loading,
        seconds=seconds,
        cycles=spent.cycles,
        bytes=spent.weight_bytes + spent.activation_bytes,
    )


def _write(model: Any, device: "Device", tokens: int) -> tuple[list[int], float, float, "Counters"]:
    """Greedy tokens; seconds of loading, and of generating; what the latter cost."""
    import torch

    start = time.perf_counter()
    seedloom.attach(model, device)
    try:
        attached, before = time.perf_counter(), replace(device.counters)
        prompt = torch.tensor([PROMPT])
        written = model.generate(prompt, max_new_tokens=tokens, do_sample=False)[0, len(PROMPT) :].tolist()
        return written, attached - start, time.perf_counter() - attached, device.counters - before
    finally:
        seedloom.detach(model)


def show(result: DeviceDemoResult, as_json: bool) -> None:
    """Print what was measured."""
    if as_json:
        typer.echo(figures_text(asdict(result)))
        return
    typer.echo(f"a model of {LAYERS} layers, {WIDTH} wide, random weights as {result.format}, on {result.device}")
    typer.echo(f"tokens       {' '.join(map(str, result.tokens))}")
    typer.echo(f"loading      {result.loading_seconds:12.2f} s")
    typer.echo(
        f"generating   {result.seconds:12.2f} s, {result.cycles:,} cycles, {result.bytes:,} bytes into the engine"
    )
    verdict = "all equal" if result.tokens_equal_emulated else "DIFFERENT"
    typer.echo(f"tokens of this device and the emulated one: {verdict} ({len(result.tokens)})")
