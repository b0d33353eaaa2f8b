"""Shares of a simulated board's peak over whole matrices of SmolLM2-135M: the table of docs/boards.md.

``python benchmarks/board.py ulx3s-64mb`` prints Markdown, with ``--json`` JSON. About a minute of CPU time.
"""

import json
import sys
from dataclasses import asdict, dataclass

import torch

from formats.engine import EngineParameters
from hw.board.boards import BOARDS
from sw_runtime.device.board.cost import board_cost
from sw_runtime.device.random_matrices import random_activations, random_matrix
from sw_runtime.device.simulated_board import board_parameters, simulated_board

FORMATS = ("scaled-4bit", "scaled-3bit", "scaled-2bit")

SHAPES = ((576, 576), (1536, 576), (192, 576), (576, 1536))
"""Rows and columns of q and o, gate and up, k and v, down."""


@dataclass(frozen=True)
class Share:
    """One product: cycles, those that the cost model predicts, and shares of the peak with and without results."""

    format: str
    rows: int
    columns: int
    cycles: int
    predicted_cycles: int
    share: float
    share_without_results: float
    exact: bool


def measure(board: str) -> list[Share]:
    """A product of every format and shape."""
    parameters = EngineParameters(FORMATS, maximum_columns=2048, maximum_rows=2048)
    built, device = board_parameters(board, parameters), simulated_board(board, parameters)
    shares = []
    for name in FORMATS:
        for rows, columns in SHAPES:
            matrix = random_matrix(name, rows, columns)
            activations = random_activations(1, columns, parameters.activation_bits)
            handle, before = device.load(matrix), device.counters
            results = device.matvec(handle, activations)
            spent, exact = device.counters - before, activations @ matrix.integers().long().T
            predicted = board_cost(built, built.engine.weight_formats[FORMATS.index(name)], rows, columns, 1)
            read = spent.weight_bytes + spent.activation_bytes
            peak = spent.cycles * BOARDS[board].peak_bytes_per_second / (built.memory.clock_mhz * 1e6)
            whole = (read + spent.result_bytes) / peak
            equal = torch.equal(results, exact)
            shares.append(Share(name, rows, columns, spent.cycles, predicted.cycles, whole, read / peak, equal))
            device.unload(handle)
    device.close()
    return shares


def main() -> None:
    """Print a table, or JSON; the exit status is 1 where a result is wrong."""
    names = [argument for argument in sys.argv[1:] if argument != "--json"] or ["ulx3s-64mb"]
    if names[0] not in BOARDS:
        sys.exit(f"no board {names[0]!r}; choose from {', '.join(BOARDS)}")
    shares = measure(names[0])
    if "--json" in sys.argv:
        print(json.dumps([asdict(share) for share in shares], indent=1))
    else:
        print("| format | matrix | cycles | predicted | share of peak | without results |")
        print("|---|---|---:|---:|---:|---:|")
        for each in shares:
            print(
                f"| `{each.format}` | {each.rows} x {each.columns} | {each.cycles:,} | {each.predicted_cycles:,} "
                f"| {each.share:.1%} | {each.share_without_results:.1%} |"
            )
    sys.exit(not all(each.exact for each in shares))


if __name__ == "__main__":
    main()
