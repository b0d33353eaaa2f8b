"""A prompt on the simulated whole decoder, several tokens per pass over the weights; docs/decoder.md.

``python benchmarks/decoder_prompt.py FOLDER`` reads 16 tokens by a model's first layers on a simulated ULX3S with
64 MB, with engines of several batches. It prints a line per batch: cycles per token of these layers (simulated, and by
the cost model), and of the whole model without its head (by the cost model: derived). Keys and values in the board's
memory, and the answer to the last token, must be those of the tokens one by one.
"""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from formats.decoder.program import MatrixPlace, Program
from formats.matrices import Matrix
from hw.board.boards import BOARDS
from seedloom.api import load
from seedloom.decoder_devices import embeddings_of
from seedloom.demo_decoder import keep_first_layers
from seedloom.whole_decoder import compiled
from sw_runtime.decoder.cost import token_cost
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.simulated import SimulatedDecoder

PROMPT = "Once upon a time in a small village by the sea, there lived an old man"
BOARD, KV_BITS, TOKENS = BOARDS["ulx3s-64mb"], 8, 16
BATCHES = (1, 2, 4, 8, 16)
CLOCK_MHZ = 75
"""Of the decoder's bitstream for the ULX3S."""

Read = tuple[float, list[NDArray[np.uint8]], str]
"""Cycles per token, what each token left in the cache, and the answer to the last."""


def read(program: Program, matrices: dict[MatrixPlace, Matrix], embeddings: NDArray[np.float32], batch: int) -> Read:
    """Read tokens on a simulated board; the last is asked for an answer, in a pass that is not counted."""
    with closing(SimulatedDecoder(Image.of(program, matrices, BOARD, batch=batch))) as decoder:
        cycles = sum(
            decoder.take(embeddings[first : first + batch], best=0).cycles for first in range(0, TOKENS, batch)
        )
        rows = [decoder.cached(position) for position in range(TOKENS)]
        return cycles / TOKENS, rows, str(decoder.take(embeddings[TOKENS:]).best)


def derived(program: Program, batch: int) -> float:
    """Cycles per token of a prompt, by the cost model."""
    cost = token_cost(program, BOARD, TOKENS // 2, answers=0, tokens=batch)
    return BOARD.memory.clock_mhz * 1e6 / cost.tokens_per_second


def main(folder: Path, layers: Annotated[int, typer.Option(help="Simulated, of the model's.")] = 2) -> None:
    """Read a prompt with every batch, and compare."""
    model, tokenizer = load(folder)
    embeddings = embeddings_of(model, tokenizer(PROMPT)["input_ids"][: TOKENS + 1])
    whole, _ = compiled(model, BOARD, KV_BITS)
    keep_first_layers(model, layers)
    program, matrices = compiled(model, BOARD, KV_BITS)
    one_by_one: Read | None = None
    print(f"| tokens at once | {layers} layers, simulated | by the cost model | whole model, derived | tokens/s |")
    print("|---:|---:|---:|---:|---:|")
    for batch in BATCHES:
        cycles, rows, answer = read(program, matrices, embeddings, batch)
        one_by_one = one_by_one or (cycles, rows, answer)
        assert answer == one_by_one[2], "another answer"
        assert all(map(np.array_equal, rows, one_by_one[1])), "other keys or values"
        of_whole = derived(whole, batch)
        rate = CLOCK_MHZ * 1e6 / of_whole
        print(
            f"| {batch} | {cycles:,.0f} | {derived(program, batch):,.0f} | {of_whole:,.0f} | {rate:.1f} |", flush=True
        )


if __name__ == "__main__":
    typer.run(main)
