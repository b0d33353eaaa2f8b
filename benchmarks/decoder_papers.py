"""The papers' methods as programs of the whole decoder, their cycles beside dense decoding; docs/decoder.md.

``python benchmarks/decoder_papers.py simulated`` draws a model of SmolLM2's widths with few layers and a small
vocabulary, and runs every program on a simulated ULX3S with 64 MB; ``openelm`` does so with layers of unequal widths.
Weights are random: cycles do not depend on them, but the share of right drafts does, and is not looked at. Tokens and
keys are compared with the emulated decoder's. ``derived`` has all 30 layers and the whole vocabulary, by the cost
model.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from formats.decoder.program import Answer, MatrixPlace, Multiply, Program
from formats.matrices import Matrix
from formats.presets import TRELLIS_PRESETS
from formats.trellis_matrix import TrellisMatrix
from golden_models.openelm import SIZES, layer_shapes
from hw.board.boards import BOARDS
from sw_runtime.decoder.compiler import compile_program, draft_program, exit_program, set_program
from sw_runtime.decoder.constants import rotary_rows
from sw_runtime.decoder.cost import command_cost, token_cost
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.experts import nested_expert
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.image.memory_map import WHOLE, program_engine
from sw_runtime.decoder.parts import DecoderParts, Layer, LowRank, Norm, Product
from sw_runtime.decoder.sampling import BestTokens
from sw_runtime.decoder.simulated import SimulatedDecoder
from sw_runtime.decoder.token_sets import LEFT_OUT, SET, read_prompt
from sw_runtime.device.random_matrices import random_words

BOARD, KV_BITS, FORMAT = BOARDS["ulx3s-64mb"], 8, "trellis-3.5bit"
POSITIONS, SEEN = 128, 64
"""Longest context; positions that a token sees where its cost is derived."""

LORA_RANK, FAST_RANK = 16, 8
"""Of AFM's adapters and of M2R2's, as the papers have them."""

DRAFTS = 3

KEPT = tuple(number % 4 == 1 for number in range(10))
"""Of a prompt's tokens, those that LazyLLM's set keeps behind a third of the layers: 3 of 10, a port's last share."""

UNANSWERED = "dense, a prompt's token that is asked for no answer"
PRUNED = "mean over a prompt of which 3 of 10 tokens go on after a third of the layers"


@dataclass(frozen=True)
class Shape:
    """Heads and MLP width of a layer."""

    heads: int
    kv_heads: int
    ffn: int


SMOLLM2, SMOLLM2_DIM = Shape(9, 3, 1536), 576

OPENELM = tuple(Shape(layer.query_heads, layer.kv_heads, layer.ffn // 4) for layer in layer_shapes(SIZES["270M"])[::5])
"""Every fifth layer of OpenELM 270M, the first and the last among them: its heads, a quarter of its MLP's width."""

VOCABULARY = 128
"""Rows of a simulated head."""


class Drawn:
    """Products and layers of random words, rows about as long as those of a layer at its start."""

    def __init__(self, dim: int, head_dim: int = 64, format: str = FORMAT) -> None:
        self.dim, self.head_dim, self.format = dim, head_dim, format
        self._generator, self._count = torch.Generator().manual_seed(0), 0

    def product(self, rows: int, columns: int) -> Product:
        """A product of its own name."""
        trellis, self._count = TRELLIS_PRESETS[self.format], self._count + 1
        words = random_words(trellis, rows, columns, self._generator)
        matrix = TrellisMatrix(trellis, words, torch.ones(rows), columns)
        scales = (1 / matrix.integers().float().norm(dim=1)).bfloat16().float()
        return Product(MatrixPlace(f"{self._count}", self.format, rows, columns), replace(matrix, scales=scales), None)

    def low_rank(self, rows: int, columns: int, rank: int) -> LowRank:
        """An adapter."""
        return LowRank(self.product(rank, columns), self.product(rows, rank))

    def norm(self, width: int) -> Norm:
        """A norm that changes nothing but lengths."""
        return Norm(torch.ones(width), 1e-5)

    def layer(self, shape: Shape, head_norms: bool = False) -> Layer:
        """A layer."""
        queries, keys = shape.heads * self.head_dim, shape.kv_heads * self.head_dim
        return Layer(
            attention_norm=self.norm(self.dim),
            mlp_norm=self.norm(self.dim),
            heads=shape.heads,
            kv_heads=shape.kv_heads,
            score_scale=self.head_dim**-0.5,
            activation="silu",
            query_norm=self.norm(self.head_dim) if head_norms else None,
            key_norm=self.norm(self.head_dim) if head_norms else None,
            query=self.product(queries, self.dim),
            key=self.product(keys, self.dim),
            value=self.product(keys, self.dim),
            output=self.product(self.dim, queries),
            gate=self.product(shape.ffn, self.dim),
            up=self.product(shape.ffn, self.dim),
            down=self.product(self.dim, shape.ffn),
        )

    def parts(self, layers: Sequence[Layer], vocabulary: int, positions: int = POSITIONS) -> DecoderParts:
        """A decoder of these layers, for so long a context."""
        frequencies = 1e4 ** -(torch.arange(0, self.head_dim, 2, dtype=torch.float64) / self.head_dim)
        rows = rotary_rows(frequencies, 1.0, positions)
        return DecoderParts(tuple(layers), self.norm(self.dim), self.product(vocabulary, self.dim), (rows,))

    def with_adapters(self, layer: Layer) -> Layer:
        """AFM: an adapter beside each of a layer's seven products."""
        names = ("query", "key", "value", "output", "gate", "up", "down")
        products = {name: getattr(layer, name) for name in names}
        beside = {
            name: replace(found, adapter=self.low_rank(found.place.rows, found.place.columns, LORA_RANK))
            for name, found in products.items()
        }
        return replace(layer, **beside)

    def with_fast_stream(self, layer: Layer) -> Layer:
        """M2R2: an adapter beside a layer."""
        return replace(layer, adapter=self.low_rank(self.dim, self.dim, FAST_RANK))


def programs_of(layers: int, vocabulary: int, same: bool) -> tuple[dict[str, Program], dict[MatrixPlace, Matrix]]:
    """Programs over one decoder of SmolLM2's widths, dense first; ``same`` draws one layer for all."""
    drawn = Drawn(SMOLLM2_DIM)
    count = 1 if same else layers
    plain = [drawn.layer(SMOLLM2) for _ in range(count)] * (layers // count)
    adapted = [drawn.with_adapters(layer) for layer in plain[:count]] * (layers // count)
    fast = [drawn.with_fast_stream(layer) for layer in plain[:count]] * (layers // count)
    parts = drawn.parts(plain, vocabulary)
    exits = {f"exit after {each}": exit_program(parts, KV_BITS, each) for each in (layers // 3, 2 * layers // 3)}
    drafts = draft_program(replace(parts, layers=tuple(fast)), KV_BITS, layers // 3)
    whole = replace(parts, layers=tuple(adapted))
    programs = {WHOLE: compile_program(parts, KV_BITS)} | exits
    nested = {f"expert {each} of 4": nested_expert(parts, each - 1, 4) for each in (1, 2, 3)}
    programs |= {name: compile_program(each, KV_BITS) for name, each in nested.items()}
    programs |= {SET: set_program(parts, KV_BITS, layers // 3), LEFT_OUT: draft_program(parts, KV_BITS, layers // 3)}
    programs |= {f"draft of {layers // 3}": drafts, f"adapters of rank {LORA_RANK}": compile_program(whole, KV_BITS)}
    every = (whole, replace(parts, layers=tuple(fast)), *nested.values())
    return programs, {place: matrix for each in every for place, matrix in each.matrices.items()}


def simulated_cycles(
    programs: Mapping[str, Program], matrices: Mapping[MatrixPlace, Matrix], tokens: int
) -> dict[str, float]:
    """Cycles per token of each program, a mean over a text that it alone reads and writes: simulated.

    Those of a set read a prompt together.
    """
    whole, others = programs[WHOLE], {name: each for name, each in programs.items() if name != WHOLE}
    emulated, found = EmulatedDecoder(whole, matrices, others), {}
    vocabulary, generator = whole.matrices[-1].rows, np.random.default_rng(0)
    embeddings = generator.standard_normal((vocabulary, whole.dim), dtype=np.float32)
    with closing(SimulatedDecoder(Image.of(whole, matrices, BOARD, others))) as board:
        for name in _alone(programs):
            emulated.rewind(0)
            board.rewind(0)
            first, token, equal = len(board.answers), 1, 0
            for _ in range(tokens):
                embedding = embeddings[token]
                wanted = BestTokens.of(emulated.take(embedding[None], program=name)[0], 1)
                best = board.take(embedding[None], program=name).best
                token = int(best.tokens[0])
                equal += (token, best.keys[0]) == (wanted.tokens[0], wanted.keys[0])
            found[name] = sum(answer.cycles for answer in board.answers[first:]) / tokens
            print(f"{name}: {equal} of {tokens} tokens and keys are the emulated decoder's", flush=True)
        if SET in programs:
            emulated.rewind(0)
            board.rewind(0)
            found[UNANSWERED] = board.take(embeddings[:1], best=0).cycles
            board.rewind(0)
            found[PRUNED] = _prompt_cycles(emulated, board, embeddings)
    return found


def _alone(programs: Mapping[str, Program]) -> list[str]:
    """Names of the programs that a text is written by alone."""
    return [name for name in programs if name not in (SET, LEFT_OUT)]


def _prompt_cycles(emulated: EmulatedDecoder, board: SimulatedDecoder, embeddings: NDArray[np.float32]) -> float:
    """Cycles per token of a prompt of which ``KEPT`` are kept: simulated."""
    first = len(board.answers)

    def take(tokens: slice, answers: int, program: str, row: int) -> BestTokens:
        keys = emulated.take(embeddings[tokens], answers, program, row)
        best = board.take(embeddings[tokens], answers, program, row).best
        for wanted in keys:
            same = BestTokens.of(wanted, 1)
            equal = (best.tokens[0], best.keys[0]) == (same.tokens[0], same.keys[0])
            print(f"{PRUNED}: token and key behind it are {'' if equal else 'NOT '}the emulated decoder's", flush=True)
        return best

    read_prompt(take, KEPT)
    return sum(answer.cycles for answer in board.answers[first:]) / len(KEPT)


def derived_cycles(program: Program, seen: int = SEEN, answers: int = 1, kept: int | None = None) -> float:
    """Cycles per token by the cost model: derived."""
    return BOARD.memory.clock_mhz * 1e6 / token_cost(program, BOARD, seen, answers, kept).tokens_per_second


def derived_prompt_cycles(programs: Mapping[str, Program]) -> dict[str, float]:
    """Cycles per token of a long prompt that is asked for no answer, whole and with a set of it kept: derived."""
    share = sum(KEPT) / len(KEPT)
    goes_on = derived_cycles(programs[SET], answers=0, kept=round(share * SEEN))
    left_out = derived_cycles(programs[LEFT_OUT], answers=0)
    return {
        UNANSWERED: derived_cycles(programs[WHOLE], answers=0),
        PRUNED: share * goes_on + (1 - share) * left_out,
    }


def verified_together(program: Program, tokens: int) -> float:
    """Cycles in which tokens would share one pass over the weights: derived, if all were answered; no decoder does."""
    engine = program_engine(program, BOARD)
    saved = 0.0
    for command, length in zip(program.commands, program.lengths, strict=True):
        if isinstance(command, Multiply | Answer):
            cost = command_cost(command, length, program, engine, SEEN)
            rate = BOARD.peak_bytes_per_second * BOARD.share / (BOARD.memory.clock_mhz * 1e6)
            saved += max(cost.memory_bytes / rate, cost.beside)
    return tokens * derived_cycles(program) - (tokens - 1) * saved


def print_table(title: str, cycles: Mapping[str, float], kind: str) -> None:
    """A row per program, dense decoding first."""
    dense = next(iter(cycles.values()))
    print(f"\n{title}\n\n| program | cycles per token, {kind} | of dense |\n|---|---:|---:|")
    for name, each in cycles.items():
        print(f"| {'dense' if name == WHOLE else name} | {each:,.0f} | {each / dense:.3f} |")


def print_speculation(verified: str, cycles: Mapping[str, float], rounds: Callable[[int], float]) -> None:
    """Cycles per accepted token of rounds of drafts, by how many are right; ``rounds`` has those of verifying."""
    dense, draft = cycles[WHOLE], next(each for name, each in cycles.items() if name.startswith("draft"))
    print(f"\n{DRAFTS} drafts per round, verified {verified}\n")
    print("| right drafts | cycles per accepted token | of dense |\n|---:|---:|---:|")
    for right in range(DRAFTS + 1):
        each = (DRAFTS * draft + rounds(right + 1)) / (right + 1)
        print(f"| {right} | {each:,.0f} | {each / dense:.3f} |")


app = typer.Typer(help="Cycles per token of the papers' programs, beside dense decoding.", no_args_is_help=True)


@app.command()
def simulated(
    layers: Annotated[int, typer.Option(help="Layers of SmolLM2's widths, a multiple of 3.")] = 3,
    tokens: Annotated[int, typer.Option(help="Tokens per program.")] = 2,
) -> None:
    """Every program on a simulated board, models of SmolLM2's widths."""
    cycles = simulated_cycles(*programs_of(layers, VOCABULARY, same=False), tokens)
    print_table(f"{layers} layers of SmolLM2's widths, a head of {VOCABULARY} rows", cycles, "simulated")
    print_speculation("one by one, simulated", cycles, lambda tokens: tokens * cycles[WHOLE])


@app.command()
def openelm(tokens: Annotated[int, typer.Option(help="Tokens.")] = 2) -> None:
    """Four layers of unequal widths on a simulated board, as those of OpenELM 270M with a quarter of its widths."""
    drawn = Drawn(320, head_dim=16)
    grown = drawn.parts([drawn.layer(shape, head_norms=True) for shape in OPENELM], VOCABULARY)
    program = compile_program(grown, KV_BITS)
    found = simulated_cycles({WHOLE: program}, grown.matrices, tokens)
    print_table(f"{len(OPENELM)} layers of OpenELM, a head of {VOCABULARY} rows", found, "simulated")
    print(f"\nby the cost model, derived: {derived_cycles(program, tokens):,.0f}")


@app.command()
def derived() -> None:
    """All programs of SmolLM2's 30 layers and its whole vocabulary, by the cost model."""
    programs, _ = programs_of(30, 49152, same=True)
    whole = {name: derived_cycles(programs[name]) for name in _alone(programs)} | derived_prompt_cycles(programs)
    print_table(f"SmolLM2-135M in {FORMAT}, {SEEN} positions", whole, "derived")
    print_speculation("one by one, derived", whole, lambda tokens: tokens * whole[WHOLE])
    together = verified_together(programs[WHOLE], DRAFTS + 1)
    print_speculation(f"in one pass of {together:,.0f} cycles that no decoder has, derived", whole, lambda _: together)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    app()
