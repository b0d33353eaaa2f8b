"""``seedloom generate`` and ``fit-m2r2``: continue a text on a device, plainly or by a paper's method."""

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

import seedloom
from formats.errors import InputError
from formats.plurals import number_of
from seedloom.interruption import KEPT, stopped_at_once
from seedloom.methods import MAXIMUM_DRAFTS, OPTIONS, names
from seedloom.options import BATCH, KV_BITS, Folder, Json
from sw_runtime.json_files import figures_text

DEVICES = seedloom.device_names()

Device = Annotated[
    str,
    typer.Option(help=f"What multiplies the compressed layers: host, host:compressed, {', '.join(DEVICES)}."),
]


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
    device: Device = "emulated",
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
    result_bits: Annotated[
        int | None,
        typer.Option(help="Bits of a result as the device hands it over: 64, exact, or 24, rounded; default: 64."),
    ] = None,
    whole_decoder: Annotated[
        bool,
        typer.Option(
            "--whole-decoder",
            help="All of the decoder on the device, in integers: token in, token out. "
            "Device: emulated, simulated, serial:PORT or serial:pty.",
        ),
    ] = False,
    board: Annotated[
        str | None,
        typer.Option(
            help="With --whole-decoder: whose memory and speed are counted; default: ulx3s-64mb, emulated: ecpix5."
        ),
    ] = None,
    kv_bits: Annotated[
        int | None, typer.Option(help="With --whole-decoder: bits of a cached key or value, 8 or 16; default: 16.")
    ] = None,
    program: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="With --whole-decoder: dense, exit-LAYERS or expert-NUMBER-of-COUNT; default: dense.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="With --whole-decoder: of the tokens that are drawn; default: 0.")
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            help="With --whole-decoder: tokens of the prompt that share a pass over the weights, 1 to 16; default: 1. "
            "The emulated device keeps room for them, and is no faster."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Continue a text, as the model's generation_config.json says, with all compressed layers on a device.

    The folder is not verified first; `seedloom verify` does that.
    """
    from transformers import TextStreamer

    if whole_decoder:
        _check_alone(argmax_on_device, prune, exit_early, speculate, result_bits)
        _generate_by_decoder(folder, prompt, tokens, greedy, board, kv_bits, seed, device, program, batch, as_json)
        return
    for option, given in (
        ("--board", board),
        ("--kv-bits", kv_bits),
        ("--program", program),
        ("--seed", seed),
        ("--batch", batch),
    ):
        if given is not None:
            raise InputError(f"{option} needs --whole-decoder; give both, or leave it out")
    written = seedloom.generate(
        folder,
        prompt,
        tokens,
        greedy,
        device,
        argmax_on_device,
        prune,
        exit_early,
        speculate,
        streamer=None if as_json else TextStreamer,
        result_bits=result_bits,
    )
    rate = len(written.tokens) / written.seconds
    if as_json:
        answer = {"prompt": prompt, "device": device, "tokens_per_second": rate, **asdict(written)}
        typer.echo(figures_text(answer))
        return
    typer.echo(f"{number_of(len(written.tokens), 'token')}, {rate:.1f} per second on this machine (measured)", err=True)
    counters = written.counters
    if counters.cycles:  # the host counts none
        handed = counters.result_bytes + counters.router_bytes
        typer.echo(
            f"{device} device, the prompt included: {counters.cycles:,} cycles, "
            f"{handed:,} bytes of results and answers",
            err=True,
        )
    for name, value in written.figures.items():
        typer.echo(f"{name.replace('_', ' ')}: {value:.4g}", err=True)


def _check_alone(*options: object) -> None:
    """Refuse what does not go together with a whole decoder."""
    for option, value in zip((*OPTIONS, "--result-bits"), options, strict=True):
        if value:
            raise InputError(f"{option} is not done by --whole-decoder; leave one of the two out")


def _generate_by_decoder(
    folder: Path,
    prompt: str,
    tokens: int | None,
    greedy: bool,
    board: str | None,
    kv_bits: int | None,
    seed: int | None,
    device: str,
    program: str | None,
    batch: int | None,
    as_json: bool,
) -> None:
    """Continue a text and print what a token costs."""
    from transformers import TextStreamer

    from sw_runtime.decoder.choice import DENSE

    streamer = None if as_json else TextStreamer
    kv_bits = KV_BITS if kv_bits is None else kv_bits
    with stopped_at_once(lambda: f" to go on{KEPT}") if device == "simulated" else nullcontext():
        written = seedloom.generate_by_decoder(
            folder,
            prompt,
            tokens,
            greedy,
            board,
            kv_bits,
            seed or 0,
            device,
            DENSE if program is None else program,
            streamer=streamer,
            batch=BATCH if batch is None else batch,
        )
    rate, derived = len(written.tokens) / written.seconds, written.derived
    if as_json:
        typer.echo(figures_text({"prompt": prompt, "tokens_per_second": rate, **asdict(written)}))
        return
    typer.echo(
        f"{number_of(len(written.tokens), 'token')}, {rate:.3g} per second on this machine (measured); "
        f"{device} device, context of {written.context:,} tokens",
        err=True,
    )
    if counted := written.counted:
        typer.echo(
            f"{written.board}, {written.counted_is}, per token: {counted.cycles:,.0f} cycles, "
            f"{counted.tokens_per_second:.2f} tokens per second at the board's clock, "
            f"{counted.memory_bytes:,} bytes of memory (derived), {counted.memory_busy:.1%} of its peak; "
            f"the last token: {derived.link_bytes:,} bytes on the link (derived)",
            err=True,
        )
        return
    typer.echo(
        f"{written.board}, derived for the last token: {derived.tokens_per_second:.1f} tokens per second, "
        f"{derived.memory_bytes:,} bytes of memory, {derived.link_bytes:,} bytes on the link",
        err=True,
    )


def fit_m2r2(
    folder: Folder,
    calibration: Annotated[
        str, typer.Option(help="Text to fit on: a file, 'packaged' or 'datasets:NAME'.")
    ] = "packaged",
) -> None:
    """Prepare a compressed folder for --exit and --speculate: fit its early predictions; takes a minute."""
    import torch

    from sw_runtime.disk_errors import check_writable
    from sw_runtime.methods.decoder import Decoder
    from sw_runtime.methods.m2r2.fast_stream import FILE, LENGTH, WINDOWS, FastStream, parameters_for
    from sw_runtime.methods.m2r2.fit import Window
    from sw_runtime.progress import progress_bar
    from sw_runtime.texts.calibration import token_windows
    from sw_runtime.texts.calibration_text import read_text

    text = read_text(calibration)
    model, tokenizer = seedloom.load(folder)
    check_writable(folder, folder / FILE)
    decoder = Decoder.of(model)
    texts = token_windows(text, tokenizer, WINDOWS, LENGTH)
    with torch.inference_mode():
        windows = [Window.of(decoder, tokens) for tokens in progress_bar(texts, desc="texts to fit", unit="text")]
        FastStream.fit(decoder, windows, parameters_for(len(decoder.layers))).save(folder)
    typer.echo(f"{folder / FILE}: generate with --exit m2r2 or --speculate 1 to {MAXIMUM_DRAFTS}")
