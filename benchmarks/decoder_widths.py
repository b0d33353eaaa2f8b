"""What the integer decoder loses where its integers are narrower; docs/decoder.md.

``python benchmarks/decoder_widths.py FOLDER`` takes a folder that ``seedloom compress`` wrote, and one window of a
Wikipedia article. Keys and values have 16 bits, so that they do not hide the others. The integers are the golden
model's, whose widths are constants that can be changed.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from unittest.mock import patch

import torch
import typer
from torch import Tensor
from transformers import AutoTokenizer

from benchmarks.integer_decoder import Subject
from formats.decoder.program import Program
from golden_models.integer_decoder import functions, operations
from golden_models.integer_decoder.execution import IntegerDecoder
from golden_models.integer_decoder.operations import IntegerMatrix
from golden_models.integer_decoder.vectors import Vector
from sw_runtime.decoder.compiler import compile_program
from sw_runtime.evaluate.text import log_probabilities
from sw_runtime.pretrained import load_model
from sw_runtime.texts.corpora import evaluation_text
from sw_runtime.texts.tokens import text_windows

add = operations.add


def narrow_stream(bits: int) -> AbstractContextManager[object]:
    """Every sum rounded to so many bits of its largest element."""

    def narrow_add(x: Vector, y: Vector) -> Vector:
        return add(x, y).to_bits(bits)

    return patch.object(operations, "add", narrow_add)


WIDTHS: dict[str, tuple[Callable[[int], AbstractContextManager[object]], tuple[int, ...]]] = {
    "all as they are": (narrow_stream, (31,)),
    "residual stream": (narrow_stream, (25, 21, 18, 15)),
    "activations": (lambda bits: patch.object(operations, "ACTIVATION_BITS", bits), (13, 11, 7)),
    "what a norm squares": (lambda bits: patch.object(operations, "SQUARE_BITS", bits), (11, 7)),
    "shares in attention": (lambda bits: patch.object(functions, "PROBABILITY_BITS", bits), (13, 11, 8)),
}
"""How to make a width smaller, and the magnitude bits tried."""


class GoldenSubject(Subject):
    """A compressed model, and its integers by the golden model."""

    def keys(self, program: Program, embeddings: Tensor) -> Tensor:
        """Of all tokens' logits: float [T, dim] → int64 [T, vocabulary]."""
        matrices = {
            product.place.name: IntegerMatrix(product.matrix.integers(), product.matrix.unit_scales().bfloat16())
            for product in self.parts.products
        }
        return IntegerDecoder(program, matrices)(embeddings)


def main(folder: Path, length: int = 256) -> None:
    """Measure and print."""
    model, tokenizer = load_model(folder, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(folder)
    subject = GoldenSubject(model, length)
    program = compile_program(subject.parts, 16)
    (window,) = text_windows(evaluation_text(), tokenizer, 1, length)
    expected = log_probabilities(model, window).double()
    print("| what | bits | divergence, nats |\n|---|---:|---:|")
    for name, (narrow, widths) in WIDTHS.items():
        for bits in widths:
            with narrow(bits):
                divergence = subject.compare(program, window, expected)[0]
            print(f"| {name} | {bits} | {divergence:.1e} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
