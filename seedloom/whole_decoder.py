"""Text by a whole decoder: embedding in, token out, everything between on the emulated device, in integers."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from formats.arguments import check_types
from formats.decoder.program import MatrixPlace, Program
from formats.errors import InputError
from formats.matrices import Matrix
from hw.board.boards import BOARDS, BoardMemory
from seedloom.api import check_request, load, prompt_length
from sw_runtime.decoder.compiler import check_kv_bits, compile_program
from sw_runtime.decoder.cost import TokenCost, token_cost
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.families import transformers_parts
from sw_runtime.decoder.image.memory_map import fitted
from sw_runtime.decoder.sampling import BEST, Sampling, likeliest
from sw_runtime.methods.continuation import take_tokens
from sw_runtime.methods.generation_settings import check_settings, most_tokens

OPTION = "--whole-decoder"
"""Of the command that comes here."""

BOARD, KV_BITS = "ecpix5", 16
"""Where nobody names a board, or bits of keys and values."""


@dataclass(frozen=True)
class WrittenByDecoder:
    """A text that a whole decoder wrote.

    Parameters
    ----------
    text
        The new text, without the prompt.
    tokens
        Its tokens.
    seconds
        Of writing it in the emulator, the prompt's included.
    context
        Longest text, in tokens.
    board
        For which ``derived`` holds.
    derived
        Cost of the last token on this board: derived, not measured.
    """

    text: str
    tokens: list[int]
    seconds: float
    context: int
    board: str
    derived: TokenCost


def find_board(name: str) -> BoardMemory:
    """A board by its name.

    Raises
    ------
    InputError
        With the names there are.
    """
    if name not in BOARDS:
        raise InputError(f"no board {name!r}; choose from {', '.join(BOARDS)}")
    return BOARDS[name]


def compiled(model: Any, board: BoardMemory, kv_bits: int) -> tuple[Program, dict[MatrixPlace, Matrix]]:
    """A model's program, with as long a context as the board's memory holds, and its matrices.

    Raises
    ------
    InputError
        If the model is none that a program does, or does not fit; each says what and by how much.
    """
    parts = transformers_parts(model, model.config.max_position_embeddings)
    return fitted(compile_program(parts, kv_bits), board), parts.matrices


def generate_by_decoder(
    folder: str | Path,
    prompt: str,
    tokens: int | None = None,
    greedy: bool = False,
    board: str = BOARD,
    kv_bits: int = KV_BITS,
    seed: int = 0,
    streamer: Callable[[Any], Any] | None = None,
) -> WrittenByDecoder:
    """Continue a text by the whole decoder in integers, as a device would, token by token.

    Parameters
    ----------
    folder
        Compressed folder; it is not verified first.
    prompt
        Text to continue.
    tokens
        New tokens at most; as generation_config.json says where not given, else 32.
    greedy
        Take the likeliest token, also where generation_config.json asks to draw.
    board
        Whose memory limits the context, and whose speed is derived.
    kv_bits
        Bits of a cached key's or value's element: 8 or 16.
    seed
        Of the tokens that are drawn.
    streamer
        Tokenizer → a transformers streamer that takes the tokens as they are made.

    Raises
    ------
    InputError, CheckpointError
        If folder, prompt, settings or board will not do, naming what no program does.
    """
    check_request(folder, prompt, tokens, greedy)
    check_types(seed=(seed, int))
    chosen = find_board(board)
    check_kv_bits(kv_bits)  # before the model is loaded
    model, tokenizer = load(folder)
    settings = model.generation_config
    check_settings(settings, OPTION, greedy=True)  # drawing is judged by ``Sampling``
    sampling = Sampling.of(settings) if settings.do_sample and not greedy else None
    length = prompt_length(tokenizer, prompt)
    program, matrices = compiled(model, chosen, kv_bits)
    most = most_tokens(settings, tokens, length, program.positions)
    decoder = EmulatedDecoder(program, matrices)
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"][0]
    start = time.perf_counter()
    made = _tokens(decoder, _embeddings(model), ids.tolist(), sampling, seed)
    written = take_tokens(made, model, ids, most, streamer(tokenizer) if streamer else None)
    seconds = time.perf_counter() - start
    cost = token_cost(program, chosen, decoder.tokens, 1 if sampling is None else BEST)
    return WrittenByDecoder(tokenizer.decode(written), written, seconds, program.positions, board, cost)


def _embeddings(model: Any) -> Callable[[list[int]], NDArray[Any]]:
    """Tokens → what the host sends for them: real [T, dim]."""

    def embed(tokens: list[int]) -> NDArray[Any]:
        with torch.no_grad():
            found: NDArray[Any] = model.get_input_embeddings()(torch.tensor(tokens)).float().numpy()
        return found

    return embed


def _tokens(
    decoder: EmulatedDecoder,
    embed: Callable[[list[int]], NDArray[Any]],
    prompt: list[int],
    sampling: Sampling | None,
    seed: int,
) -> Iterator[int]:
    """Endless tokens behind a prompt."""
    generator, tokens = np.random.default_rng(seed), prompt
    while True:
        keys = decoder.take(embed(tokens))[0]
        exponent = decoder.program.key_exponent
        token = likeliest(keys) if sampling is None else sampling.draw(keys, exponent, generator)
        yield token
        tokens = [token]
