"""The last part of ``seedloom demo``: a whole decoder on a simulated board, token in, token out."""

from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import typer

from sw_runtime.decoder.counted import CountedCost

PROMPT = "Once upon a"
BOARD, KV_BITS = "ulx3s-64mb", 8
LAYERS, TOKENS = 2, 4
"""Of the model, and to write: a simulated token of all its 30 layers takes about a minute."""


@dataclass(frozen=True)
class WholeDecoderResult:
    """Tokens that a whole decoder wrote, and what its board counted per token, the prompt's included.

    ``link_bytes`` are those of a token: its embedding's words to the board, and the answer.
    """

    board: str
    layers: int
    layers_of_model: int
    prompt_tokens: int
    tokens: list[int]
    tokens_equal_emulated: bool
    simulated: CountedCost
    link_bytes: int


def keep_first_layers(model: Any, layers: int) -> None:
    """A transformers model loses its later layers; those that are kept, and the head, stay as they are."""
    model.model.layers = model.model.layers[:layers]
    model.config.num_hidden_layers = len(model.model.layers)


def run_whole_decoder(model: Any, tokenizer: Any, layers: int = LAYERS, tokens: int = TOKENS) -> WholeDecoderResult:
    """Write tokens with a model's first layers and its head on a simulated board, and again on fast integers.

    Parameters
    ----------
    model, tokenizer
        A compressed transformers model, which keeps its first layers alone, and its tokenizer.
    layers, tokens
        How many are kept, and written.

    Raises
    ------
    InputError
        If no program does the model, or it does not fit the board's memory.
    DependencyError
        If the simulator cannot be built.
    """
    from hw.board.boards import BOARDS
    from seedloom.decoder_devices import EmulatedDevice, following_tokens, simulated_device
    from seedloom.whole_decoder import compiled
    from sw_runtime.decoder.cost import link_bytes
    from sw_runtime.decoder.sampling import NextToken

    whole = model.config.num_hidden_layers
    keep_first_layers(model, layers)
    program, matrices = compiled(model, BOARDS[BOARD], KV_BITS)
    prompt, likeliest = tokenizer(PROMPT)["input_ids"], NextToken(program.key_exponent)
    read = len(prompt) + tokens - 1
    simulated = simulated_device(program, matrices, BOARDS[BOARD], likeliest, len(prompt), read)
    with closing(simulated):
        written = list(islice(following_tokens(simulated, model, prompt), tokens))
        counted = simulated.counted
    expected = list(islice(following_tokens(EmulatedDevice(program, matrices, likeliest), model, prompt), tokens))
    return WholeDecoderResult(
        board=BOARD,
        layers=model.config.num_hidden_layers,
        layers_of_model=whole,
        prompt_tokens=len(prompt),
        tokens=written,
        tokens_equal_emulated=written == expected,
        simulated=counted,
        link_bytes=link_bytes(program, answers=1),
    )


def show(result: WholeDecoderResult) -> None:
    """Print what the board counted."""
    from rich.console import Console
    from rich.table import Table

    counted = result.simulated
    table = Table(
        title=f"per token: the whole decoder on {result.board}, "
        f"{result.layers} of {result.layers_of_model} layers and the head"
    )
    for heading in ("", "simulated"):
        table.add_column(heading, justify="right" if heading else "left")
    table.add_row("cycles", f"{counted.cycles:,.0f}")
    table.add_row("tokens/s at the board's clock", f"{counted.tokens_per_second:.1f}")
    table.add_row("bytes of memory, read and written", f"{counted.memory_bytes:,}")
    table.add_row("bytes on the link", f"{result.link_bytes:,}")
    table.add_row("share of the memory's peak", f"{counted.memory_busy:.1%}")
    Console().print(table)
    verdict = "all equal" if result.tokens_equal_emulated else "DIFFERENT"
    typer.echo(f"tokens of the simulated and the emulated whole decoder: {verdict} ({len(result.tokens)})")
