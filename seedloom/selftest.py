"""``seedloom selftest``: does every part of a device do what it should?"""

from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer

import seedloom
from seedloom.options import Json
from sw_runtime.json_files import figures_text


def selftest(
    device: Annotated[
        str,
        typer.Argument(help=f"One of {', '.join(seedloom.device_names())}, such as serial:/dev/ttyUSB0 or serial:pty."),
    ],
    format: Annotated[str, typer.Option(help="Format that its engine must take.")] = "scaled-4bit",
    router: Annotated[bool, typer.Option("--router", help="Open it with a token router, and try that too.")] = False,
    as_json: Json = False,
) -> None:
    """Try a device's link, memory, engine, router and clock; exit code 1 if one fails.

    Some of a board's memory is overwritten.
    """
    from formats.engine import EngineParameters
    from formats.router.descriptor import RouterParameters
    from sw_runtime.device.selftest import Outcome
    from sw_runtime.device.selftest import selftest as checks_of

    options = {"parameters": EngineParameters((format,)), "router": RouterParameters() if router else None}
    checks = []
    with closing(seedloom.open_device(device, **options)) as opened:
        for check in checks_of(opened):
            checks.append(check)
            if not as_json:
                typer.echo(f"{check.part:8}{check.outcome:8}{check.found}")
    if as_json:
        typer.echo(figures_text([asdict(check) for check in checks]))
    if any(check.outcome == Outcome.FAILED for check in checks):
        raise typer.Exit(1)
