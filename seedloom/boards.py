"""``seedloom boards``: which boards hold a compressed model, and how fast they are."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from seedloom.options import Folder, Json
from sw_runtime.json_files import figures_text

if TYPE_CHECKING:
    from sw_runtime.device.board.fitting import Fit

COLUMNS = "{:<12} {:>9} {:>9}  {:<28} {:>10} {:>9}  {}"


def boards(
    folder: Folder,
    as_json: Json = False,
) -> None:
    """Say which boards hold a compressed model, how many tokens per second its products take, and which context fits.

    Tokens per second are derived from the bytes of a token's products and the memory's rate; no board is touched. What
    is not compressed stays on the host.
    """
    from hw.board.boards import BOARDS
    from sw_runtime.device.board.fitting import fit
    from sw_runtime.device.protocol import MatrixShape
    from sw_runtime.nn.folder import compressed_config, describe

    contents = describe(folder)
    shapes = [MatrixShape(layer.format, layer.rows, layer.columns) for layer in contents.layers]
    config = compressed_config(folder)
    fits = [fit(board, shapes, config) for board in BOARDS.values()]
    if as_json:
        typer.echo(figures_text({"folder": str(folder), "boards": [asdict(found) for found in fits]}))
        return
    typer.echo(COLUMNS.format("board", "MB", "needed", "fits", "tokens/s", "context", "share of peak").rstrip())
    for found in fits:
        typer.echo(_line(found).rstrip())
    typer.echo("tokens/s: derived, for the products of the compressed layers; context: positions, 8 bits per number")


def _line(found: "Fit") -> str:
    memory = f"{found.memory_bytes / 1e6:.1f}"
    share = f"{found.share:.1%} simulated"
    if found.needed_bytes is None:
        return COLUMNS.format(found.board, memory, "", "no engine for these formats:", "", "", found.reason)
    verdict = f"no, by {found.missing_bytes:,} bytes" if found.missing_bytes else "yes"
    speed = "" if found.tokens_per_second is None else f"{found.tokens_per_second:.1f}"
    context = "" if found.context is None else f"{found.context:,}"
    return COLUMNS.format(found.board, memory, f"{found.needed_bytes / 1e6:.1f}", verdict, speed, context, share)
