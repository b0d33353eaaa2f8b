"""Text by a whole decoder: embedding in, token out, everything between on a device, in integers."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from formats.arguments import check_integers, check_types
from formats.decoder.program import MatrixPlace, Program
from formats.engine import BATCHES
from formats.errors import InputError
from formats.matrices import Matrix
from hw.board.boards import BoardMemory, find_board
from seedloom.api import check_request, load, prompt_length
from seedloom.decoder_devices import (
    DEVICES,
    DecoderDevice,
    EmulatedDevice,
    following_tokens,
    serial_device,
    simulated_device,
)
from seedloom.options import BATCH, KV_BITS
from sw_runtime.decoder.centres import sample_tokens, with_key_centres
from sw_runtime.decoder.choice import DENSE, chosen_program
from sw_runtime.decoder.compiler import check_kv_bits
from sw_runtime.decoder.cost import TokenCost, token_cost
from sw_runtime.decoder.counted import CountedCost
from sw_runtime.decoder.families import longest_context, transformers_parts
from sw_runtime.decoder.image.memory_map import WHOLE, MemoryMap, fitted, program_engine
from sw_runtime.decoder.image.writing import check_sound
from sw_runtime.decoder.parts import DecoderParts
from sw_runtime.decoder.sampling import NextToken, Sampling
from sw_runtime.device.serial_board import TERMINAL
from sw_runtime.methods.continuation import take_tokens
from sw_runtime.methods.generation_settings import check_settings, most_tokens

OPTION = "--whole-decoder"
"""Of the command that comes here."""

SIMULATED_PORT = f"serial:{TERMINAL}"
"""Device whose board is simulated behind a pseudo-terminal."""


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
        Of writing it on this machine, the prompt's included; without what opening the device takes.
    context
        Longest text, in tokens.
    device
        As it was named.
    board
        The one that ran, and the one for which ``derived`` holds.
    derived
        Cost of the last token on this board: derived, not measured.
    counted
        What the board counted: measured by a board on a port, else simulated; None on the emulated device.
    """

    text: str
    tokens: list[int]
    seconds: float
    context: int
    device: str
    board: str
    derived: TokenCost
    counted: CountedCost | None

    @property
    def counted_is(self) -> str:
        """How ``counted`` was found."""
        return "simulated" if self.device == "simulated" or self.device.startswith(SIMULATED_PORT) else "measured"


def compiled(
    model: Any, board: BoardMemory, kv_bits: int, program: str = DENSE, batch: int = BATCH
) -> tuple[Program, dict[MatrixPlace, Matrix]]:
    """A program of a model by its name, with as long a context as the board's memory holds, and its matrices.

    The memory has room for the embeddings of ``batch`` tokens.

    Every device runs it, so what no board would run is refused on the emulated one too.

    Raises
    ------
    InputError
        If the model is none that a program does, has no such program, or does not fit; each says what and by how much.
        If the program is none that a board would run.
    """
    parts = transformers_parts(model, longest_context(model.config))
    if kv_bits == 8:  # 16 bits lose nothing that could be seen
        parts = _with_key_centres(model, parts)
    chosen, matrices = chosen_program(parts, kv_bits, program)
    programs = {WHOLE: fitted(chosen, board, batch=batch)}
    engine = program_engine(programs[WHOLE], board, batch=batch)
    check_sound(programs, engine, MemoryMap.of(programs, engine))
    return programs[WHOLE], matrices


def _with_key_centres(model: Any, parts: DecoderParts) -> DecoderParts:
    embed = model.get_input_embeddings()
    tokens = sample_tokens(embed.num_embeddings, longest_context(model.config))
    with torch.no_grad():
        return with_key_centres(parts, embed(torch.from_numpy(tokens)).float().numpy())


def generate_by_decoder(
    folder: str | Path,
    prompt: str,
    tokens: int | None = None,
    greedy: bool = False,
    board: str | None = None,
    kv_bits: int = KV_BITS,
    seed: int = 0,
    device: str = "emulated",
    program: str = DENSE,
    streamer: Callable[[Any], Any] | None = None,
    batch: int = BATCH,
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
        Whose memory limits the context, and whose speed is derived. Where none is given, the device's own, of
        ``seedloom.decoder_devices.DEVICES``, or the one that its name holds.
    kv_bits
        Bits of a cached key's or value's element: 8 or 16.
    seed
        Of the tokens that are drawn.
    device
        ``"emulated"`` for fast integers; ``"simulated"`` for the board's Verilog with its memory chip, every cycle;
        ``"serial:PATH@BAUD"`` for a board on a port, ``"serial:pty:BOARD"`` for a simulated one behind a
        pseudo-terminal. Lines on stderr say beforehand how long it takes. A text on ``"simulated"`` is kept answer by
        answer until it is whole: the same call goes on with it.
    program
        That reads and writes every token: a name of ``sw_runtime.decoder.choice``.
    streamer
        Tokenizer → a transformers streamer that takes the tokens as they are made.
    batch
        Tokens of the prompt that share one pass over the weights, 1 to 16; a board on a port must be built for as many.
        The emulated device keeps room for them, and is no faster.

    Raises
    ------
    InputError, CheckpointError
        If folder, prompt, settings, device or board will not do, naming what no program does.
    DependencyError
        If the simulator cannot be built, or pyserial is not installed.
    DeviceError
        If the board on a port does not answer, or is not what the model needs.
    """
    check_request(folder, prompt, tokens, greedy)
    check_types(seed=(seed, int), device=(device, str), program=(program, str))
    chosen = _board_of(device, board)
    check_integers(batch=(batch, BATCHES))  # before the model is loaded
    check_kv_bits(kv_bits)
    model, tokenizer = load(folder)
    settings = model.generation_config
    check_settings(settings, OPTION, greedy=True)  # drawing is judged by ``Sampling``
    sampling = Sampling.of(settings) if settings.do_sample and not greedy else None
    length = prompt_length(tokenizer, prompt)
    decoder_program, matrices = compiled(model, chosen, kv_bits, program, batch)
    most = most_tokens(settings, tokens, length, decoder_program.positions)
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"][0]
    next_token = NextToken(decoder_program.key_exponent, sampling, seed)
    named = {"prompt": ids.tolist(), "sampling": sampling and asdict(sampling), "seed": seed}
    opened = _opened(device, decoder_program, matrices, chosen, next_token, length, length + most - 1, named, batch)
    with closing(opened) as decoder:
        start = time.perf_counter()
        made = following_tokens(decoder, model, ids.tolist())
        first = next(made)  # before the streamer shows the prompt, which the bar of its tokens would wipe
        written = take_tokens(chain([first], made), model, ids, most, streamer(tokenizer) if streamer else None)
        seconds = time.perf_counter() - start
        decoder.finish()
    cost = token_cost(decoder_program, chosen, length + len(written) - 1, next_token.best)
    text, counted = tokenizer.decode(written), decoder.counted
    return WrittenByDecoder(text, written, seconds, decoder_program.positions, device, chosen.name, cost, counted)


def _board_of(device: str, board: str | None) -> BoardMemory:
    """The board that a device is, or is derived for.

    Raises
    ------
    InputError
        If there is no such device or board, or each names another board.
    """
    kind, _, place = device.partition(":")
    if kind not in DEVICES or bool(place) != (kind == "serial"):
        raise InputError(f"{OPTION} runs on the device emulated, simulated, serial:PORT or serial:pty, not on {device}")
    named = place.removeprefix(f"{TERMINAL}:") if place.startswith(f"{TERMINAL}:") else None
    if named and board is not None and named != board:
        raise InputError(f"the device is {named}, and --board says {board}; give one of them")
    return find_board(named or (DEVICES[kind] if board is None else board))


def _opened(
    device: str,
    program: Program,
    matrices: dict[MatrixPlace, Matrix],
    board: BoardMemory,
    next_token: NextToken,
    prompt: int,
    tokens: int,
    text: dict[str, Any],
    batch: int,
) -> DecoderDevice:
    kind, _, place = device.partition(":")
    if kind == "serial":
        simulated = place.partition(":")[0] == TERMINAL
        port = f"{TERMINAL}:{board.name}" if simulated else place
        return serial_device(port, program, matrices, board, next_token, batch)
    if kind == "simulated":
        return simulated_device(program, matrices, board, next_token, prompt, tokens, text, batch)
    return EmulatedDevice(program, matrices, next_token)
