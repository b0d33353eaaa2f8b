"""What bitstreams take and what they make of SmolLM2-135M; the table of docs/boards.md.

``python benchmarks/board_table.py build/bitstream/*/report.json`` prints Markdown, a row per report. Clocks and cells
are nextpnr's (routed). Tokens per second and context are derived: of an engine its products, of a whole decoder all of
a token at 64 positions, keys and values of 8 bits.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.decoder_bandwidth import smollm2
from formats.errors import InputError
from hw.board.boards import BOARDS, BoardMemory
from hw.memory.chips import Sdram
from sw_runtime.decoder.cost import token_cost
from sw_runtime.decoder.image.memory_map import fitted

POSITIONS, LONGEST = 64, 8192
"""That a token sees; of SmolLM2's own longest text."""

DOES_NOT_FIT = "does not fit"

CELLS = ("TRELLIS_COMB", "TRELLIS_FF", "DP16KD", "MULT18X18D")

COLUMNS = ("board", "what it is", "memory", "MHz wanted", "MHz reached", "LUT4 and carry", "FF", "EBR", "MULT18")
DERIVED = ("tokens/s", "context")


def board_of(report: dict[str, Any]) -> BoardMemory:
    """The board's memory, at the clock that the bitstream has."""
    board = BOARDS[report["memory"]]
    if not isinstance(board.memory, Sdram):
        return board
    memory = replace(board.memory, clock_mhz=report["clock_mhz"])
    return replace(board, memory=memory, peak_bytes_per_second=memory.peak_bytes_per_second)


def speed_of(report: dict[str, Any]) -> tuple[str, str]:
    """Tokens per second and context."""
    if not report["decoder"]:
        fitting = [each for each in report["implied"] if each["fits"]]
        if not fitting:
            return DOES_NOT_FIT, "on the host"
        where = "" if len(fitting) == len(report["implied"]) else ", head on the host"
        return f"{fitting[-1]['tokens_per_second']:.1f}{where}", "on the host"
    program, board = smollm2(report["format"], LONGEST), board_of(report)
    try:
        context = f"{fitted(program, board).positions:,}"
    except InputError:
        context = DOES_NOT_FIT
    return f"{token_cost(program, board, POSITIONS).tokens_per_second:.1f}", context


def row(report: dict[str, Any]) -> str:
    """A report's row."""
    clocks = sorted(each["megahertz"] for each in report["routings"])
    reached = f"{clocks[0]:.1f}" if len(clocks) == 1 else f"{clocks[0]:.1f} to {clocks[-1]:.1f}"
    fastest = max(report["routings"], key=lambda each: float(each["megahertz"]))
    cells = (f"{fastest['used'][kind][0]:,}" for kind in CELLS)
    what = f"{'whole decoder' if report['decoder'] else 'engine'}, `{report['format']}`"
    speed, context = speed_of(report)
    parts = (report["board"], what, report["memory"], f"{report['clock_mhz']:g}", f"{reached} ({len(clocks)})", *cells)
    return f"| {' | '.join((*parts, speed, context))} |"


def main(reports: Annotated[list[Path], typer.Argument(help="Files that a bitstream's command wrote.")]) -> None:
    """Print the table; behind the clock that is reached, the number of placements."""
    torch.set_grad_enabled(False)
    print(f"| {' | '.join((*COLUMNS, *DERIVED))} |\n|---|---|---|{'---:|' * 8}")
    for path in reports:
        print(row(json.loads(path.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    typer.run(main)
