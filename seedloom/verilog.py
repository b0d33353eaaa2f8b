"""``seedloom verilog``: the engine as Verilog, with its ports and benches, for use without seedloom."""

from pathlib import Path
from typing import Annotated

import typer

from seedloom.options import ActivationBits, Lanes, PortBytes


def verilog(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")],
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="Format of the weights; repeatable. Default: trellis-4bit.")
    ] = None,
    lanes: Lanes = 0,
    port_bytes: PortBytes = 64,
    activation_bits: ActivationBits = 16,
    batch: Annotated[int, typer.Option(help="Vectors that share one pass over the weights.")] = 1,
    maximum_columns: Annotated[int, typer.Option("--columns", help="Most columns of a matrix.")] = 4096,
    maximum_rows: Annotated[int, typer.Option("--rows", help="Most rows of a matrix.")] = 65536,
    multiplier_bits: Annotated[
        int, typer.Option(help="Widest operand of a multiplier: 18 on ECP5, 25 on 7-series.")
    ] = 25,
) -> None:
    """Write an engine's Verilog, its port list, benches for Verilator and cocotb, a FuseSoC core, a LiteX module."""
    from formats.engine import EngineParameters
    from sw_runtime.takeaway.folder import write_verilog

    parameters = EngineParameters(
        tuple(formats or ("trellis-4bit",)),
        port_bytes,
        lanes,
        activation_bits,
        batch,
        maximum_columns,
        maximum_rows,
        multiplier_bits,
    )
    for name in write_verilog(parameters, output):
        typer.echo(output / name)
