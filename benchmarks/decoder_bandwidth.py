"""How much of the memory's rate a whole decoder uses; the table of docs/decoder.md.

``python benchmarks/decoder_bandwidth.py`` prints Markdown: SmolLM2-135M's 30 layers and head in formats of 4 and 2
bits per weight, by the cost model. The port of 4 bytes is the ULX3S's with its 64 MB chip. A port of 64 bytes, 16
lanes, with a beat per cycle, is the same decoder before a memory that no board here has.
"""

from dataclasses import replace
from typing import Any

import torch

from benchmarks.decoder_papers import BOARD, KV_BITS, SMOLLM2, SMOLLM2_DIM, Drawn
from formats.decoder.program import Program
from hw.board.boards import BoardMemory
from sw_runtime.decoder.compiler import compile_program
from sw_runtime.decoder.cost import token_cost
from sw_runtime.decoder.parts import Layer, Product

LAYERS, VOCABULARY = 30, 49152
FORMATS = ("trellis-4bit", "trellis-3.5bit", "trellis-2bit")
CONTEXTS = (64, 512)
WIDE_BYTES = 64


def placed(layer: Layer, number: int) -> Layer:
    """The layer, its products named as those of layer ``number``."""
    products = {name: each for name, each in vars(layer).items() if isinstance(each, Product)}
    named: dict[str, Any] = {
        name: replace(each, place=replace(each.place, name=f"layer {number}, {name}"))
        for name, each in products.items()
    }
    return replace(layer, **named)


def smollm2(format: str, positions: int) -> Program:
    """SmolLM2-135M's program for so long a context; all layers have the same random weights, each in its own place."""
    drawn = Drawn(SMOLLM2_DIM, format=format)
    layer = drawn.layer(SMOLLM2)
    parts = drawn.parts([placed(layer, number) for number in range(LAYERS)], VOCABULARY, positions)
    return compile_program(parts, KV_BITS)


def wide_board() -> BoardMemory:
    """A memory that fills a port of 64 bytes in every cycle, but for the share that the 64 MB chip loses too."""
    return replace(BOARD, port_bytes=WIDE_BYTES, peak_bytes_per_second=WIDE_BYTES * BOARD.memory.clock_mhz * 1e6)


def main() -> None:
    """Print the table."""
    print("| port | format | positions | MB per token | tokens per second and GB/s | share of the memory's peak |")
    print("|---:|---|---:|---:|---:|---:|")
    for format in FORMATS:
        program = smollm2(format, max(CONTEXTS))
        for board in (BOARD, wide_board()):
            for seen in CONTEXTS:
                cost = token_cost(program, board, seen)
                per_second = cost.tokens_per_second / board.peak_bytes_per_second
                print(
                    f"| {board.port_bytes} bytes | `{format}` | {seen} | {cost.memory_bytes / 1e6:.1f} | "
                    f"{per_second * 1e9:.2f} | {per_second * cost.memory_bytes:.1%} |"
                )


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
