"""``seedloom serve``: a compressed model behind OpenAI's routes, and a page to watch it write."""

import os
from typing import Annotated

import typer

from formats.errors import DependencyError, InputError
from seedloom.generation import Device
from seedloom.options import Folder

KEY = "SEEDLOOM_KEY"
"""Variable of the environment: what clients must send. A command line is seen by everyone on the machine."""


def serve(
    folder: Folder,
    device: Device = "emulated",
    host: Annotated[
        str, typer.Option(help=f"Address to listen on; one that others reach needs a key, in the environment's {KEY}.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for a free one.")] = 8000,
    prompt_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most tokens of a prompt; default: 4096, or what the model has room for.")
    ] = None,
    new_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most new tokens; default: 512, or half of the model's positions.")
    ] = None,
    together: Annotated[int, typer.Option(min=1, help="Most answers at the same time.")] = 8,
) -> None:
    """Answer OpenAI's chat completions and completions, on a device; / is a page to try it.

    The folder is not verified first; `seedloom verify` does that.
    """
    try:
        from sw_runtime.serve.app import Service
        from sw_runtime.serve.limits import Limits
        from sw_runtime.serve.server import listen, run
        from sw_runtime.serve.writer import Writer
    except ImportError as error:
        raise DependencyError(f"seedloom serve needs {error.name}: pip install 'seedloom[serve]'") from error
    from seedloom.api import check_device, load, placed
    from sw_runtime.methods.generation_settings import check_settings

    key = os.environ.get(KEY)
    if key is not None and not (key and key.isascii() and key.isprintable()):
        raise InputError(f"{KEY} is empty or has characters that no header carries; use letters and digits")
    check_device(device)
    with listen(host, port, key) as listening:
        model, tokenizer = load(folder)
        check_settings(model.generation_config, None, greedy=False)
        positions = getattr(model.config, "max_position_embeddings", None)
        limits = Limits.within(positions, prompt_tokens, new_tokens, together)
        with placed(model, device) as opened:
            service = Service(folder.resolve().name, Writer(model, tokenizer, opened), limits, device, key)
            run(service, listening, lambda address: typer.echo(f"{service.name} on {device}: {address}", err=True))
    typer.echo("stopped", err=True)
