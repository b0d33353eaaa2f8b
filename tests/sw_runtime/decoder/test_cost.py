"""Costs of commands, derived from what the units take."""

from functools import cache

import numpy as np
import pytest

from formats.board_requests import WORD_BYTES
from formats.decoder.program import Attend, MatrixPlace, Multiply, Program, RotaryRows, Slot
from formats.engine import EngineParameters
from hw.board.boards import BOARDS
from sw_runtime.decoder.compiler import compile_program, set_program
from sw_runtime.decoder.cost import command_cost, token_cost
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.image.memory_map import position_bytes, program_engine, program_words, rotary_bytes
from sw_runtime.decoder.parts import DecoderParts
from tests.sw_runtime.decoder.models import parts_of, tiny_model

ENGINE = EngineParameters(("trellis-4bit",), port_bytes=4)
EMPTY = Program((), (RotaryRows(np.zeros((7, 32), np.int16), np.zeros((7, 32), np.int16)),), 576, 8)


@cache
def parts() -> DecoderParts:
    return parts_of(tiny_model("mistral"))


def test_a_product_takes_its_vector_and_then_a_beat_a_cycle() -> None:
    place = MatrixPlace("up", "trellis-4bit", 1536, 576)
    cost = command_cost(Multiply(place, Slot.NORMED, Slot.UP, 0), 1536, EMPTY, ENGINE, 1)
    assert cost.memory_bytes == 1536 * (576 // 2 + 2), "4 bits per weight, and a scale per row"
    assert cost.beside == pytest.approx(1536 * 576 / 8, abs=40)
    assert cost.alone == pytest.approx(576, abs=26)


@pytest.mark.parametrize(("seen", "window", "positions"), [(512, None, 512), (512, 100, 100), (30, 100, 30)])
def test_attention_reads_the_keys_and_values_it_sees(seen: int, window: int | None, positions: int) -> None:
    command = Attend(0, Slot.QUERY, Slot.ATTENDED, 9, 3, window)
    cost = command_cost(command, 576, EMPTY, ENGINE, seen)
    assert cost.memory_bytes == positions * 2 * 3 * (64 + 4)
    assert cost.beside == positions * 2 * 3 * 16, "beats of 64 elements, longer than three queries and their shares"


def test_attention_takes_the_cycles_of_its_unit() -> None:
    """544 beats of keys and as many of values, and 653 more: simulated for one head of keys, 34 positions."""
    cost = command_cost(Attend(0, Slot.QUERY, Slot.ATTENDED, 3, 1, None), 192, EMPTY, ENGINE, 34)
    around_the_unit = 2 * (192 + 3 * 26)
    assert cost.beside == 2 * 544
    assert 653 <= cost.alone - around_the_unit <= 1.15 * 653


def test_short_rows_wait_for_their_shares() -> None:
    wide = EngineParameters(("trellis-4bit",), port_bytes=64)
    cost = command_cost(Attend(0, Slot.QUERY, Slot.ATTENDED, 9, 3, None), 576, EMPTY, wide, 10)
    assert cost.beside == 2 * 10 * 3 * (3 + 12)


def test_a_token_reads_weights_constants_and_program_once_and_its_own_rows_of_the_rest() -> None:
    program = compile_program(parts(), 8)
    board = BOARDS["ulx3s-64mb"]
    sizes = {area.name: area.nbytes for area in Image.of(program, parts().matrices, board).contents.areas}
    cost = token_cost(program, board, seen=1)
    fixed = sizes["program"] + sizes["constants"] + sizes["weights"]
    rows = sum(map(rotary_bytes, program.rotary))
    cached = position_bytes(program) - rows
    # every head reads its row of angles; a token's keys and values are written and read
    own = rows * 3 * (4 + 2) + 2 * cached
    assert fixed + own - 64 * 60 < cost.memory_bytes <= fixed + own


def test_tokens_cost_more_the_more_they_see_and_windows_end_that() -> None:
    program, board = compile_program(parts(), 8), BOARDS["ecpix5"]
    costs = [token_cost(program, board, seen) for seen in (1, 5, 30)]
    assert costs[0].memory_bytes < costs[1].memory_bytes == costs[2].memory_bytes
    assert costs[0].tokens_per_second > costs[1].tokens_per_second == costs[2].tokens_per_second


def test_the_rate_is_near_the_memorys_where_weights_are_most_of_it() -> None:
    program, board = compile_program(parts(), 8), BOARDS["ecpix5"]
    cost = token_cost(program, board, 1)
    assert cost.tokens_per_second < board.peak_bytes_per_second * board.share / cost.memory_bytes


def test_the_best_tokens_with_their_keys_come_back_over_the_link() -> None:
    program, board = compile_program(parts(), 8), BOARDS["ecpix5"]
    assert token_cost(program, board, 1).link_bytes == 4 * (64 + 1) + 8
    assert token_cost(program, board, 1, answers=64).link_bytes == 4 * (64 + 1) + 64 * 8


def test_a_token_that_is_asked_for_no_answer_does_not_read_the_head() -> None:
    program, board = compile_program(parts(), 8), BOARDS["ecpix5"]
    engine, answer = program_engine(program, board), program.commands[-1]
    head = command_cost(answer, program.lengths[-1], program, engine, 1)
    full, none = token_cost(program, board, 3), token_cost(program, board, 3, answers=0)
    assert full.memory_bytes - none.memory_bytes == head.memory_bytes > 0
    assert full.link_bytes - none.link_bytes == 8


def test_tokens_that_are_taken_together_read_program_and_weights_once() -> None:
    program, board = compile_program(parts(), 8), BOARDS["ecpix5"]
    engine = program_engine(program, board)
    pairs = zip(program.commands, program.lengths, strict=True)
    shared = WORD_BYTES * program_words(program) + sum(
        command_cost(command, length, program, engine, 9).memory_bytes
        for command, length in pairs
        if isinstance(command, Multiply)
    )
    alone, together = (token_cost(program, board, 9, answers=0, tokens=tokens) for tokens in (1, 4))
    assert 4 * (alone.memory_bytes - shared) + shared == 4 * together.memory_bytes
    assert together.tokens_per_second > 1.5 * alone.tokens_per_second
    assert together.link_bytes == alone.link_bytes
    asked = token_cost(program, board, 9, tokens=4)
    assert asked.memory_bytes > together.memory_bytes, "the last of them is answered"


def test_attention_over_a_set_costs_what_it_keeps() -> None:
    family, board = parts_of(tiny_model("llama")), BOARDS["ecpix5"]
    program = set_program(family, 8, 1)
    dense, kept = token_cost(program, board, 20), token_cost(program, board, 20, kept=5)
    (row,) = {length // command.heads for command, length in attends(program)}
    of_set = [command for command, _ in attends(program) if command.of_set]
    assert len(of_set) == 2
    assert dense.memory_bytes - kept.memory_bytes == 15 * sum(2 * each.kv_heads * (row + 4) for each in of_set)


def attends(program: Program) -> list[tuple[Attend, int]]:
    pairs = zip(program.commands, program.lengths, strict=True)
    return [(command, length) for command, length in pairs if isinstance(command, Attend)]
