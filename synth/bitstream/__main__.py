"""``python -m synth.bitstream BOARD``: make a bitstream."""

from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from formats.command_line import OneLineErrors
from formats.errors import InputError
from formats.full_disk import FULL
from synth.bitstream.build import Order, make
from synth.bitstream.targets import TARGETS
from synth.flow import Flow

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(cls=OneLineErrors)
def main(
    board: Annotated[str, typer.Argument(help=f"One of {', '.join(TARGETS)}.")],
    weights: Annotated[str, typer.Option("--format", help="Format of the weights.")] = Order.weights,
    memory: Annotated[str, typer.Option(help="The board's memory, as `seedloom boards` calls it.")] = Order.memory,
    clock_mhz: Annotated[
        float, typer.Option("--mhz", help="Clock, with SDRAM a multiple of 25; 0: the memory's usual one.")
    ] = Order.clock_mhz,
    seeds: Annotated[int, typer.Option(help="Placements; the worst must reach the clock.")] = Order.seeds,
    decoder: Annotated[bool, typer.Option("--decoder", help="A whole decoder instead of an engine.")] = False,
    card: Annotated[bool, typer.Option("--card", help="With the loader of a memory card.")] = False,
    batch: Annotated[int, typer.Option(help="Vectors per pass over the weights, 1 to 16.")] = Order.batch,
    folder: Annotated[Path, typer.Option(help="Takes a folder for each board.")] = Path("build/bitstream"),
    cache: Annotated[Path, typer.Option(help="Folder of kept results.")] = Path("build/synth"),
) -> None:
    """Synthesise, place, route and pack the accelerator for a board; takes one to two minutes a placement."""
    try:
        order = Order(board, weights, memory, clock_mhz, seeds, decoder, card, batch)
        with tqdm(total=seeds + 2, unit="run", desc=f"bitstream {board}") as progress:

            def step(what: str) -> None:
                progress.update()
                progress.set_postfix_str(what)

            report = make(Flow(cache), order, folder / board, step)
    except OSError as error:
        if error.errno in FULL:
            raise
        remedy = "name others with --folder and --cache"
        raise InputError(f"{folder / board} or {cache} cannot be written ({error}); {remedy}") from error
    clocks = ", ".join(f"{each.megahertz:.1f}" for each in report.routings)
    typer.echo(f"{folder / board}: {report.clock_mhz:g} MHz wanted; placements reach {clocks} MHz")


if __name__ == "__main__":
    app()
