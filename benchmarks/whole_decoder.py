"""A whole model on the simulated whole decoder, token by token beside the emulated one; docs/decoder.md.

``python benchmarks/whole_decoder.py FOLDER`` reads a prompt and writes tokens by the likeliest, on a simulated ULX3S
with 64 MB and 8-bit keys and values. It prints a line per answer: its cycles, and whether token and key are the
emulated decoder's. At the end it prints how fast the tokens were simulated. With ``--batch`` tokens of the prompt share
a pass over the weights. SmolLM2-135M in ``trellis-3.5bit`` takes 20 minutes of one core.
"""

import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from hw.board.boards import BOARDS
from seedloom.api import load
from seedloom.decoder_devices import embeddings_of
from seedloom.whole_decoder import compiled
from sw_runtime.decoder.counted import CountedCost
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.simulated import SimulatedDecoder

PROMPT = "Once upon a time in a small village by the sea, there lived an old man who"
BOARD, KV_BITS = "ulx3s-64mb", 8


def main(
    folder: Path,
    tokens: Annotated[int, typer.Option(help="To write behind the prompt.")] = 32,
    batch: Annotated[int, typer.Option(help="Tokens of the prompt that share a pass over the weights.")] = 1,
) -> None:
    """Write a text on both, and compare."""
    model, tokenizer = load(folder)
    program, matrices = compiled(model, BOARDS[BOARD], KV_BITS, batch=batch)
    emulated, text = EmulatedDecoder(program, matrices), tokenizer(PROMPT)["input_ids"]
    length, equal, answered = len(text), 0, 0
    cycles, cpu_seconds, seconds = 0, 0.0, 0.0
    with closing(SimulatedDecoder(Image.of(program, matrices, BOARDS[BOARD], batch=batch))) as simulated:
        print(f"written into the memory: {simulated.simulated_cycles:,} cycles", flush=True)
        while (place := simulated.tokens) < length - 1 + tokens:
            embeddings = embeddings_of(model, text[place : place + batch])
            keys = emulated.take(embeddings)[0]
            cpu_start, start = time.process_time(), time.perf_counter()
            answer = simulated.take(embeddings)
            cycles, cpu_seconds = cycles + answer.cycles, cpu_seconds + time.process_time() - cpu_start
            seconds += time.perf_counter() - start
            token, key = int(answer.best.tokens[0]), int(answer.best.keys[0])
            same = (token, key) == (int(keys.argmax()), int(keys.max()))
            equal, answered = equal + same, answered + 1
            read = text[place : simulated.tokens]
            print(f"{place} {read} → {token}, key {key}, {answer.cycles:,} cycles, equal: {same}", flush=True)
            if simulated.tokens == len(text):
                text.append(token)
        print(f"{tokenizer.decode(text)}\n{equal} of {answered} tokens and keys are the emulated decoder's")
        print(
            f"{cycles:,} cycles in {cpu_seconds:.0f} s of CPU time, {seconds:.0f} s in all: "
            f"{cycles / cpu_seconds:,.0f} and {cycles / seconds:,.0f} cycles per second"
        )
        print(CountedCost.of(simulated, program, BOARDS[BOARD]))


if __name__ == "__main__":
    typer.run(main)
