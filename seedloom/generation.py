"""``seedloom generate``: continue a text on a device."""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

import seedloom


def generate(
    folder: Annotated[Path, typer.Argument(help="Compressed folder.")],
    prompt: Annotated[str, typer.Argument(help="Text to continue.")],
    tokens: Annotated[int, typer.Option(min=1, help="Tokens to add at most.")] = 32,
    device: Annotated[str, typer.Option(help=f"One of {', '.join(seedloom.DEVICES)}.")] = "emulated",
    argmax_on_device: Annotated[
        bool,
        typer.Option(
            "--argmax-on-device", help="Let the device's router choose each token, so that logits never leave it."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Continue a text, the most likely token at a time, all compressed layers on a device."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, TextStreamer

    from golden_models.router.descriptor import RouterParameters
    from hw.parameters import EngineParameters
    from sw_runtime.nn.attach import seed_linears
    from sw_runtime.nn.folder import compressed_config
    from sw_runtime.nn.generation import continue_text, continue_text_on_device

    compressed_config(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} has no tokenizer; copy the original model's tokenizer files into it") from error
    model = AutoModelForCausalLM.from_pretrained(folder)
    formats = {layer.format_name for layer in seed_linears(model).values()}
    units: dict[str, Any] = {"parameters": EngineParameters(tuple(sorted(formats)))}
    if argmax_on_device:
        units["router"] = RouterParameters()
    write = continue_text_on_device if argmax_on_device else continue_text
    opened = seedloom.open_device(device, **units)
    try:
        seedloom.attach(model, opened)
        streamer = None if as_json else TextStreamer(tokenizer)
        before, start = replace(opened.counters), time.perf_counter()
        ids = write(model, tokenizer, prompt, tokens, streamer)
        seconds, spent = time.perf_counter() - start, opened.counters - before
    finally:
        opened.close()
    if as_json:
        answer = {
            "prompt": prompt,
            "text": tokenizer.decode(ids),
            "tokens": ids,
            "device": device,
            "seconds": seconds,
            "tokens_per_second": len(ids) / seconds,
            "counters": asdict(spent),
        }
        typer.echo(json.dumps(answer, indent=2))
    else:
        handed = spent.result_bytes + spent.router_bytes
        typer.echo(
            f"{len(ids)} tokens, {len(ids) / seconds:.1f} a second on the {device} device; "
            f"{handed:,} bytes of results and answers, the prompt's included",
            err=True,
        )
