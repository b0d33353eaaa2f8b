"""A whole decoder as the cells of an ECP5: tokens of a real layer, bit for bit and cycle for cycle."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hw.board.boards import BOARDS
from sw_runtime.decoder.compiler import compile_program
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.families import transformers_parts
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.on_board import BoardDecoder
from sw_runtime.decoder.sampling import BestTokens
from sw_runtime.device.simulated_board import SimulatedChannel
from sw_runtime.device.simulator.board import BoardSimulator
from sw_runtime.device.simulator.build_boards import build_board
from synth.bitstream.build import Order
from tests.synth.netlists.cells import build_board_cells
from tests.synth.netlists.real_layer import embeddings_of, real_decoder

ORDER = Order("ulx3s-85f", weights="trellis-4bit", memory="ulx3s-64mb", decoder=True)
"""What a bitstream is made of; here without its serial link, and without the cells of its pins."""

VOCABULARY, BEST, KV_BITS, CONTEXT = 128, 64, 8, 16

TOKENS = [6403, 2238, 253]


@dataclass(frozen=True)
class Answered:
    """Of a text: tokens and keys, cycles, bytes in the cache, and rules of the memory chip that were broken."""

    keys: list[list[tuple[int, int]]]
    cycles: list[tuple[int, int]]
    cached: list[bytes]
    broken_rules: dict[str, int]


def answered(library: Path, image: Image, embeddings: np.ndarray) -> Answered:
    """What a board does with a text."""
    board = BoardSimulator(library, ORDER.parameters)
    decoder = BoardDecoder(SimulatedChannel(board), image)
    taken = [decoder.take(embedding[None], BEST) for embedding in embeddings]
    found = Answered(
        [pairs(each.best) for each in taken],
        [(each.cycles, each.port_busy_cycles) for each in taken],
        [decoder.cached(position).tobytes() for position in range(len(taken))],
        board.broken_rules(),
    )
    decoder.close()
    return found


def pairs(best: BestTokens) -> list[tuple[int, int]]:
    """Tokens and their keys."""
    return list(zip(best.tokens.tolist(), best.keys.tolist(), strict=True))


@pytest.mark.soak
def test_cells_of_a_decoder_answer_a_real_layers_tokens_in_the_hardwares_cycles() -> None:
    model = real_decoder(ORDER.weights, VOCABULARY)
    parts, embeddings = transformers_parts(model, CONTEXT), embeddings_of(model, TOKENS)
    program = compile_program(parts, KV_BITS)
    image = Image.of(program, parts.matrices, BOARDS[ORDER.memory_name])
    hardware = answered(build_board(ORDER.parameters), image, embeddings)
    cells = answered(build_board_cells(ORDER.parameters), image, embeddings)
    assert cells == hardware
    keys = EmulatedDecoder(program, parts.matrices).take(embeddings, answers=len(embeddings))
    assert cells.keys == [pairs(BestTokens.of(row, BEST)) for row in keys]
    assert cells.broken_rules == {}
    assert len({tuple(each) for each in cells.keys}) == len(TOKENS), "no two answers are the same"
