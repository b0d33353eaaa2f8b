"""``seedloom generate`` and ``fit-m2r2``: continue a text on a device, plainly or by a paper's method."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import seedloom
from formats.errors import CheckpointError, InputError
from seedloom.folders import Folder, Json
from seedloom.methods import MAXIMUM_DRAFTS, OPTIONS, Choice, MeasuredText, names
from sw_runtime.json_files import figures_text

if TYPE_CHECKING:
    from sw_runtime.device.protocol import Counters, Device


def generate(
    folder: Folder,
    prompt: Annotated[str, typer.Argument(help="Text to continue.")],
    tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of tokens to add; default: as generation_config.json says, else 32."),
    ] = None,
    greedy: Annotated[
        bool, typer.Option("--greedy", help="Take the likeliest token, also where generation_config.json asks to draw.")
    ] = False,
    device: Annotated[
        str, typer.Option(help=f"Device that runs the compressed layers: {', '.join(seedloom.device_names())}.")
    ] = "emulated",
    argmax_on_device: Annotated[
        bool,
        typer.Option("--argmax-on-device", help="The device chooses each token, so logits stay on it."),
    ] = False,
    prune: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(names("--prune")),
            help="Skip prompt tokens that get little attention, until a layer needs them.",
        ),
    ] = None,
    exit_early: Annotated[
        str | None,
        typer.Option(
            "--exit",
            metavar="|".join(names("--exit")),
            help="Stop early: predict a token after a few layers. Run fit-m2r2 once before.",
        ),
    ] = None,
    speculate: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAXIMUM_DRAFTS,
            help="Draft this many tokens per round and verify them together. Run fit-m2r2 once before.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Continue a text, as the model's generation_config.json says, with all compressed layers on a device.

    The folder is not verified first; `seedloom verify` does that.
    """
    from transformers import TextStreamer

    from sw_runtime.methods.continuation import continue_text, take_tokens
    from sw_runtime.methods.generation_settings import check_settings, most_tokens

    seedloom.find_device(device)  # before the model is loaded
    choice = Choice.of(dict(zip(OPTIONS, (argmax_on_device, prune, exit_early, speculate), strict=True)))
    model, tokenizer = _load(folder)
    # before a device is opened and filled
    check_settings(model.generation_config, choice.method.option if choice.method else None, greedy)
    length = _prompt_length(tokenizer, prompt)
    positions = getattr(model.config, "max_position_embeddings", None)
    most = most_tokens(model.generation_config, tokens, length, positions)
    tokens_of = choice.method.prepare(folder, model, choice.number) if choice.method else None
    figures: dict[str, float] = {}

    def write(opened: "Device", streamer: Any) -> list[int]:
        if tokens_of is None:
            return continue_text(model, tokenizer, prompt, most, streamer, greedy)
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"][0]
        text = tokens_of(opened, ids)
        found = take_tokens(text, model, ids, most, streamer)
        if isinstance(text, MeasuredText):
            figures.update(text.figures())
        return found

    with closing(seedloom.open_device(device, **choice.units(model))) as opened:
        seedloom.attach(model, opened)
        streamer = None if as_json else TextStreamer(tokenizer)
        ids, seconds, spent = _measured(opened, lambda: write(opened, streamer))
    if as_json:
        answer = {
            "prompt": prompt,
            "text": tokenizer.decode(ids),
            "tokens": ids,
            "device": device,
            "seconds": seconds,
            "tokens_per_second": len(ids) / seconds,
            "counters": asdict(spent),
            "figures": figures,
        }
        typer.echo(figures_text(answer))
    else:
        handed = spent.result_bytes + spent.router_bytes
        typer.echo(
            f"{len(ids)} tokens, {len(ids) / seconds:.1f} a second on the {device} device; "
            f"{handed:,} bytes of results and answers, the prompt's included",
            err=True,
        )
        for name, value in figures.items():
            typer.echo(f"{name.replace('_', ' ')}: {value:.4g}", err=True)


def _prompt_length(tokenizer: Any, prompt: str) -> int:
    """Tokens of a prompt; one that leaves the model nothing to start from is refused."""
    length = len(tokenizer(prompt)["input_ids"])
    if not length:
        raise InputError("the prompt is empty, and this model's tokenizer begins no text by itself; give a word")
    return length


def _measured(device: "Device", write: Callable[[], list[int]]) -> "tuple[list[int], float, Counters]":
    """Tokens, seconds, and what the device did meanwhile."""
    before, start = replace(device.counters), time.perf_counter()
    ids = write()
    return ids, time.perf_counter() - start, device.counters - before


def _load(folder: Path) -> tuple[Any, Any]:
    """A compressed model, in float32, and its tokenizer.

    Raises
    ------
    InputError
        If the folder holds no compressed model, or no tokenizer.
    """
    import torch

    from sw_runtime.nn.folder import compressed_config
    from sw_runtime.pretrained import load_model, load_tokenizer

    compressed_config(folder)
    try:
        tokenizer = load_tokenizer(folder)
    except CheckpointError as error:
        raise InputError(f"{folder} has no tokenizer; copy the original model's tokenizer files into it") from error
    return load_model(folder, dtype=torch.float32), tokenizer


def fit_m2r2(
    folder: Folder,
    calibration: Annotated[
        str, typer.Option(help="Text to fit on: a file, 'packaged' or 'datasets:NAME'.")
    ] = "packaged",
) -> None:
    """Prepare a compressed folder for --exit and --speculate: fit its early predictions; takes a minute."""
    import torch

    from sw_runtime.methods.decoder import Decoder
    from sw_runtime.methods.m2r2.fast_stream import FILE, LENGTH, WINDOWS, FastStream, parameters_for
    from sw_runtime.methods.m2r2.fit import Window
    from sw_runtime.progress import progress_bar
    from sw_runtime.texts.calibration import token_windows
    from sw_runtime.texts.calibration_text import read_text

    text = read_text(calibration)
    model, tokenizer = _load(folder)
    decoder = Decoder.of(model)
    texts = token_windows(text, tokenizer, WINDOWS, LENGTH)
    with torch.inference_mode():
        windows = [Window.of(decoder, tokens) for tokens in progress_bar(texts, desc="texts to fit", unit="text")]
        FastStream.fit(decoder, windows, parameters_for(len(decoder.layers))).save(folder)
    typer.echo(f"{folder / FILE}: generate with --exit m2r2 or --speculate 1 to {MAXIMUM_DRAFTS}")
