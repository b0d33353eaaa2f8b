"""``seedloom simulate``: one product or one frame of the token router, with a waveform of every signal."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from formats.plurals import number_of
from seedloom.compared import exit_unless
from seedloom.options import ActivationBits, Columns, Format, Json, Lanes, PortBytes, Rows
from sw_runtime.json_files import figures_text

if TYPE_CHECKING:
    from sw_runtime.device.simulator.views import Line

simulate = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Simulate one product or one frame of the token router, and record every signal.",
)

Trace = Annotated[
    Path | None, typer.Option(help="File for a waveform of every signal: .vcd, or .fst, GTKWave's own format.")
]


@simulate.command()
def product(
    format: Format = "trellis-4bit",
    rows: Rows = 8,
    columns: Columns = 64,
    lanes: Lanes = 0,
    port_bytes: PortBytes = 16,
    activation_bits: ActivationBits = 16,
    trace: Trace = None,
    as_json: Json = False,
) -> None:
    """Multiply a random matrix by a random vector, and compare every result with the integer product."""
    import torch

    from seedloom.random_product import engine_for
    from sw_runtime.device.random_matrices import random_activations, random_matrix
    from sw_runtime.device.simulated import simulated_device
    from sw_runtime.device.simulator.build import accelerator_verilog
    from sw_runtime.device.simulator.views import engine_lines

    parameters = engine_for(format, rows, columns, port_bytes, lanes, activation_bits)
    matrix = random_matrix(format, rows, columns)
    activations = random_activations(1, columns, activation_bits)
    device = simulated_device(parameters, simulators=1, waveform=trace)
    try:
        exact = torch.equal(device.matvec(device.load(matrix), activations), activations @ matrix.integers().long().T)
    finally:
        device.close()
    built, cycles = parameters.lanes_for(parameters.weight_formats[0]), device.counters.cycles
    views = _write_views(trace, engine_lines(parameters), accelerator_verilog(parameters, None)) if trace else None
    if as_json:
        size = {"format": format, "rows": rows, "columns": columns, "lanes": built}
        typer.echo(figures_text({**size, "cycles": cycles, "exact": exact}))
        exit_unless(exact)
        return
    typer.echo(f"{format}, {rows} x {columns}, {number_of(built, 'lane')}: {cycles} cycles")
    typer.echo(f"results equal the integer product: {'yes' if exact else 'NO'}")
    if views:
        typer.echo(views)
    exit_unless(exact)


@simulate.command()
def router(
    n: Annotated[int, typer.Option(help="Number of keys, a multiple of 16.")] = 64,
    keep: Annotated[int, typer.Option(help="How many of the largest stay.")] = 16,
    lanes: Annotated[int, typer.Option(help="Keys per cycle: 4, 8 or 16.")] = 8,
    trace: Trace = None,
    as_json: Json = False,
) -> None:
    """Load random keys and keep the largest, and compare both answers with those of the golden unit."""
    from random import Random

    from formats.arguments import check_integers
    from formats.router.descriptor import KEY_BITS, Command, Flag, KeyFormat, Opcode, Quota, RouterParameters
    from formats.router.stream import to_bytes
    from hw.router.parameters import UnitParameters
    from sw_runtime.device.protocol import Request
    from sw_runtime.device.routing import EmulatedRouter
    from sw_runtime.device.simulated import simulated_router
    from sw_runtime.device.simulator.build import accelerator_verilog
    from sw_runtime.device.simulator.views import router_lines

    check_integers(n=(n, range(16, 4097, 16)), lanes=(lanes, (4, 8, 16)), keep=(keep, range(1, n + 1)))
    parameters = RouterParameters(lanes=lanes)
    load = Command(Opcode.LOAD, flags=KeyFormat.U24 | Flag.DATA, n=n)
    random = Random(n)
    keys = [random.getrandbits(KEY_BITS) for _ in range(n)]
    top = Command(Opcode.TOPK, flags=Quota.KEEP | Flag.OUT, n=n, x=keep)
    simulated, emulated = simulated_router(parameters, waveform=trace), EmulatedRouter(parameters)
    taken, exact = {}, True
    try:
        for request in (Request(load, to_bytes(keys, load)), Request(top)):
            answer, cycles = simulated.execute(request)
            exact &= answer == emulated.execute(request)[0]
            name = Opcode(request.command.opcode).name
            taken[name] = {"status": answer.status.name, "count": answer.count, "cycles": cycles}
    finally:
        simulated.close()
    unit = UnitParameters(lanes=lanes)
    views = _write_views(trace, router_lines(unit), accelerator_verilog(None, unit)) if trace else None
    if as_json:
        typer.echo(figures_text({"lanes": lanes, "n": n, **taken, "exact": exact}))
        exit_unless(exact)
        return
    for name, one in taken.items():
        typer.echo(f"{name}: {one['status']}, {one['count']} in {one['cycles']} cycles")
    typer.echo(f"answers equal the golden unit's: {'yes' if exact else 'NO'}")
    if views:
        typer.echo(views)
    exit_unless(exact)


def _write_views(trace: Path, lines: "list[Line]", verilog: str) -> str:
    """Write what viewers show first; returns how to open it."""
    from sw_runtime.device.simulator.views import write_views

    save, commands, *_ = write_views(trace, lines, verilog)
    gtkwave, surfer = ["gtkwave", save.name], ["surfer", "-c", commands.name, trace.name]
    return f"{trace}: open it with `{shlex.join(gtkwave)}` or `{shlex.join(surfer)}`"
