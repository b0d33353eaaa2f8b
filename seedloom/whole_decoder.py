"""Text by a whole decoder: embedding in, token out, everything between on a device, in integers."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from formats.arguments import check_types
from formats.decoder.program import MatrixPlace, Program
from formats.errors import InputError
from formats.matrices import Matrix
from hw.board.boards import BOARDS, BoardMemory, board_sdram
from seedloom.api import check_request, load, prompt_length
from sw_runtime.decoder.compiler import check_kv_bits, compile_program
from sw_runtime.decoder.cost import TokenCost, token_cost
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.families import transformers_parts
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.image.memory_map import fitted
from sw_runtime.decoder.sampling import BEST, Sampling, likeliest
from sw_runtime.decoder.simulated import SimulatedCost, SimulatedDecoder
from sw_runtime.methods.continuation import take_tokens
from sw_runtime.methods.generation_settings import check_settings, most_tokens
from sw_runtime.progress import progress_bar

OPTION = "--whole-decoder"
"""Of the command that comes here."""

DEVICES = {"emulated": "ecpix5", "simulated": "ulx3s-64mb"}
"""Device → its board where nobody names one."""

KV_BITS = 16
"""Of keys and values, where nobody says."""


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
        Of writing it on this machine, the prompt's included.
    context
        Longest text, in tokens.
    device
        ``"emulated"`` or ``"simulated"``.
    board
        The simulated one, and the one for which ``derived`` holds.
    derived
        Cost of the last token on this board: derived, not measured.
    simulated
        What the simulated board counted; None on the emulated device.
    """

    text: str
    tokens: list[int]
    seconds: float
    context: int
    device: str
    board: str
    derived: TokenCost
    simulated: SimulatedCost | None


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
    board: str | None = None,
    kv_bits: int = KV_BITS,
    seed: int = 0,
    device: str = "emulated",
    streamer: Callable[[Any], Any] | None = None,
) -> WrittenByDecoder:
    """Continue a text by the whole decoder in integers, token by token.

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
        Whose memory limits the context, and whose speed is derived; where not given, as ``DEVICES`` says.
    kv_bits
        Bits of a cached key's or value's element: 8 or 16.
    seed
        Of the tokens that are drawn.
    device
        ``"emulated"`` for fast integers, ``"simulated"`` for the board's Verilog with its memory chip, every cycle.
        A line on stderr says beforehand how long the latter takes. It answers the likeliest token and draws none.
    streamer
        Tokenizer → a transformers streamer that takes the tokens as they are made.

    Raises
    ------
    InputError, CheckpointError
        If folder, prompt, settings, device or board will not do, naming what no program does.
    DependencyError
        If the simulator cannot be built.
    """
    check_request(folder, prompt, tokens, greedy)
    check_types(seed=(seed, int), device=(device, str))
    if device not in DEVICES:
        raise InputError(f"{OPTION} runs on the device {' or '.join(DEVICES)}, not on {device}")
    chosen = find_board(board or DEVICES[device])
    if device == "simulated":
        board_sdram(chosen.name)  # refuses what cannot be simulated
    check_kv_bits(kv_bits)  # before the model is loaded
    model, tokenizer = load(folder)
    settings = model.generation_config
    check_settings(settings, OPTION, greedy=True)  # drawing is judged by ``Sampling``
    sampling = Sampling.of(settings) if settings.do_sample and not greedy else None
    if sampling and device == "simulated":
        raise InputError("the simulated decoder takes the likeliest token, generation_config.json draws: add --greedy")
    length = prompt_length(tokenizer, prompt)
    program, matrices = compiled(model, chosen, kv_bits)
    most = most_tokens(settings, tokens, length, program.positions)
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"][0]
    with ExitStack() as opened:
        simulated, choose = None, _emulated(program, matrices, sampling, seed)
        if device == "simulated":
            simulated = opened.enter_context(closing(_simulated(program, matrices, chosen, length + most)))
            choose = partial(_take_each, simulated)
        start = time.perf_counter()
        made = _tokens(choose, _embeddings(model), ids.tolist())
        written = take_tokens(made, model, ids, most, streamer(tokenizer) if streamer else None)
        seconds = time.perf_counter() - start
    cost = token_cost(program, chosen, length + len(written) - 1, 1 if sampling is None else BEST)
    counted = SimulatedCost.of(simulated) if simulated else None
    text = tokenizer.decode(written)
    return WrittenByDecoder(text, written, seconds, program.positions, device, chosen.name, cost, counted)


def _emulated(
    program: Program, matrices: dict[MatrixPlace, Matrix], sampling: Sampling | None, seed: int
) -> Callable[[NDArray[Any]], int]:
    """Embeddings [T, dim] → the next token, on fast integers."""
    decoder, generator = EmulatedDecoder(program, matrices), np.random.default_rng(seed)

    def choose(embeddings: NDArray[Any]) -> int:
        keys = decoder.take(embeddings)[0]
        return likeliest(keys) if sampling is None else sampling.draw(keys, program.key_exponent, generator)

    return choose


def _simulated(
    program: Program, matrices: dict[MatrixPlace, Matrix], board: BoardMemory, tokens: int
) -> SimulatedDecoder:
    """A simulated board with the model in its memory; says how long that many tokens take."""
    image, start = Image.of(program, matrices, board), time.perf_counter()
    decoder = SimulatedDecoder(program, image)
    rate = decoder.simulated_cycles / (time.perf_counter() - start)
    cycles = decoder.clock_hz / token_cost(program, board, tokens).tokens_per_second
    print(
        f"about {tokens * cycles / rate / 60:,.1f} min for {tokens} tokens, the prompt's included: "
        f"{cycles / 1e6:,.1f} million cycles per token, {rate / 1e6:.2f} million simulated per second",
        file=sys.stderr,
    )
    return decoder


def _take_each(decoder: SimulatedDecoder, embeddings: NDArray[Any]) -> int:
    """Read tokens, one after the other, with a bar where there are several; returns the next one."""
    several = len(embeddings) > 1
    *_, token = map(decoder.take, progress_bar(embeddings, "prompt", unit="token", leave=False, disable=not several))
    return token


def _embeddings(model: Any) -> Callable[[list[int]], NDArray[Any]]:
    """Tokens → what the host sends for them: real [T, dim]."""

    def embed(tokens: list[int]) -> NDArray[Any]:
        with torch.no_grad():
            found: NDArray[Any] = model.get_input_embeddings()(torch.tensor(tokens)).float().numpy()
        return found

    return embed


def _tokens(
    choose: Callable[[NDArray[Any]], int], embed: Callable[[list[int]], NDArray[Any]], prompt: list[int]
) -> Iterator[int]:
    """Endless tokens behind a prompt."""
    tokens = prompt
    while True:
        token = choose(embed(tokens))
        yield token
        tokens = [token]
