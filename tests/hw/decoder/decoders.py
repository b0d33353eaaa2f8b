"""A board with a decoder, small and with faults to switch on, and tiny models that it runs."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from formats.decoder.program import Add, Program
from formats.engine import EngineParameters
from hw.board.boards import BOARDS, BoardMemory
from hw.board.parameters import BoardParameters
from hw.decoder.parameters import DecoderParameters
from sw_runtime.decoder.compiler import compile_program
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.on_board import BoardDecoder
from sw_runtime.decoder.parts import DecoderParts
from sw_runtime.decoder.sampling import BestTokens
from sw_runtime.device.simulated_board import SimulatedChannel
from sw_runtime.device.simulator.board import BoardSimulator
from sw_runtime.device.simulator.build import FAST, build_library
from sw_runtime.device.simulator.build_boards import BOARD_HARNESS, harness_defines
from tests.hw.decoder.mutants import DECODER_MUTANTS
from tests.hw.switched_mutants import switch, switch_on, switched_verilog
from tests.sw_runtime.decoder.models import POSITIONS, TinyOpenELM, parts_of, tiny_model

FORMATS = ("trellis-2bit", "trellis-3bit", "trellis-4bit")
"""Words of 16, 24 and 32 bits: two lanes, words across beats, and a word per beat."""

ENGINE = EngineParameters(FORMATS, port_bytes=4, batch=3, maximum_columns=256, maximum_rows=256, multiplier_bits=18)
UNITS = DecoderParameters(vector_words=1024, parts=8, queries=2, width=16, positions=POSITIONS)
MEMORY: BoardMemory = BOARDS["ulx3s-64mb"]
BOARD = BoardParameters(ENGINE, MEMORY.memory, decoder=UNITS)

TOKENS = torch.randint(120, (8,), generator=torch.Generator().manual_seed(5))

Answer = list[tuple[int, int]]
"""Tokens and their keys."""

_IMPORTS = """
from formats.engine import EngineParameters
from hw.board.board import Board
from hw.board.parameters import BoardParameters
from hw.decoder.parameters import DecoderParameters
from hw.memory.chips import Sdram, SdramChip
from hw.memory.sdram import SdramController
"""


def build_decoder(folder: Path, optimisation: str = FAST) -> Path:
    """Compile a board that contains every mutant; returns the library."""
    harness = folder / "harness.cpp"
    switched = switch(DECODER_MUTANTS, "static_cast<BoardSimulation *>(handle)->simulation.unit")
    harness.write_text(f'#include "{BOARD_HARNESS}"\n{switched}')

    def verilog() -> str:
        unit = f"Board({BOARD!r}, SdramController({BOARD.memory!r}))"
        return switched_verilog(DECODER_MUTANTS, ".", _IMPORTS, unit, folder)

    return build_library(verilog, (BOARD,), harness, "decoder", harness_defines(BOARD), optimisation=optimisation)


@cache
def subject(family: str) -> tuple[DecoderParts, NDArray[Any]]:
    """Parts of a model whose layers have different formats, and embeddings of ``TOKENS``."""
    if family == "openelm":
        tiny = TinyOpenELM(FORMATS)
        return tiny.parts(), tiny.model.token_embeddings(TOKENS).detach().numpy()
    model = tiny_model(family, FORMATS)
    return parts_of(model), model.get_input_embeddings()(TOKENS).detach().numpy()


def open_board(library: Path, mutant: int = 0) -> BoardSimulator:
    """A board at power-up, with one of the mutants or (0) none."""
    board = BoardSimulator(library, BOARD)
    switch_on(library, board._handle, mutant)
    return board


def open_decoder(board: BoardSimulator, image: Image) -> BoardDecoder:
    """A text on a board; a token that takes twice as long as the longest is given up."""
    return BoardDecoder(SimulatedChannel(board, token_words=10_000), image)


def program_of(family: str, kv_bits: int) -> Program:
    """The program of a tiny model."""
    return compile_program(subject(family)[0], kv_bits)


def one_layer(program: Program) -> Program:
    """The program of a model that has only the first layer."""
    second = [place for place, command in enumerate(program.commands) if isinstance(command, Add)][1]
    return replace(program, commands=(*program.commands[: second + 1], *program.commands[-2:]))


def image_of(family: str, program: Program) -> Image:
    """Its image; the formats are the board's."""
    return Image.of(program, subject(family)[0].matrices, MEMORY, batch=ENGINE.batch)


def expected(family: str, program: Program, best: int = 1) -> list[Answer]:
    """The emulated decoder's likeliest tokens and their keys."""
    parts, embeddings = subject(family)
    keys = EmulatedDecoder(program, parts.matrices).take(embeddings, answers=len(embeddings))
    return [pairs(BestTokens.of(row, best)) for row in keys]


def pairs(best: BestTokens) -> Answer:
    """Tokens and their keys, the likeliest first."""
    return list(zip(best.tokens.tolist(), best.keys.tolist(), strict=True))
