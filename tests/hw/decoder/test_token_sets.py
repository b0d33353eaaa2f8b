"""A prompt of which later layers see a set, on a simulated board: tokens, keys and what is left out."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from formats.decoder.program import Program
from sw_runtime.decoder.compiler import compile_program, draft_program, set_program
from sw_runtime.decoder.cost import command_cost
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.on_board import TokenAnswer
from sw_runtime.decoder.parts import DecoderParts
from sw_runtime.decoder.sampling import BestTokens
from sw_runtime.decoder.token_sets import LEFT_OUT, SET, read_prompt
from tests.hw.decoder.decoders import ENGINE, FORMATS, MEMORY, Answer, build_decoder, open_board, open_decoder, pairs
from tests.hw.decoder.mutants import DECODER_MUTANTS, SET_MUTANTS
from tests.sw_runtime.decoder.models import parts_of, tiny_model

KV_BITS, LAYERS = 8, 1
PROMPT, KEPT = [5, 17, 80, 3, 9], [True, False, False, True, True]
FOLLOWING = 3
"""Tokens taken behind the prompt."""

FIRST_SET_MUTANT = len(DECODER_MUTANTS) - len(SET_MUTANTS) + 1


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_decoder(tmp_path_factory.mktemp("decoder"))


@cache
def subject() -> tuple[DecoderParts, NDArray[Any], dict[str, Program]]:
    """Parts of a model without windows, its embeddings, and its programs."""
    model = tiny_model("llama", FORMATS)
    parts = parts_of(model)
    programs = {SET: set_program(parts, KV_BITS, LAYERS), LEFT_OUT: draft_program(parts, KV_BITS, LAYERS)}
    return parts, model.get_input_embeddings().weight.detach().numpy(), programs


def emulated_text() -> list[Answer]:
    """What the emulated decoder answers behind the prompt, by the likeliest."""
    parts, embeddings, programs = subject()
    decoder = EmulatedDecoder(compile_program(parts, KV_BITS), parts.matrices, programs)

    def take(tokens: list[int], answers: int, program: str, row: int) -> Answer:
        keys = decoder.take(embeddings[tokens], answers, program, row)
        return pairs(BestTokens.of(keys[0], 1)) if answers else []

    text = [read_prompt(lambda part, *how: take(PROMPT[part], *how), KEPT)]
    while len(text) <= FOLLOWING:
        text.append(take([text[-1][0][0]], 1, SET, sum(KEPT) + len(text) - 1))
    return text


def board_text(library: Path, mutant: int = 0, batch: int = 1) -> tuple[list[Answer], list[TokenAnswer]]:
    """What a board answers that reads ``batch`` tokens together, and every answer with its cycles."""
    parts, embeddings, programs = subject()
    image = Image.of(compile_program(parts, KV_BITS), parts.matrices, MEMORY, programs, batch)
    decoder = open_decoder(open_board(library, mutant), image)

    def take(tokens: list[int], best: int, program: str, row: int) -> Answer:
        return pairs(decoder.take(embeddings[tokens], best, program, row).best)

    try:
        text = [read_prompt(lambda part, *how: take(PROMPT[part], *how), KEPT, batch)]
        while len(text) <= FOLLOWING:
            text.append(take([text[-1][0][0]], 1, SET, sum(KEPT) + len(text) - 1))
        return text, decoder.answers
    finally:
        decoder.close()


def head_cycles() -> int:
    """What a board's units take for the head, at least."""
    program = subject()[2][SET]
    return command_cost(program.commands[-1], program.lengths[-1], program, ENGINE, 1).beside


def saves_the_head(answers: list[TokenAnswer]) -> bool:
    """Whether a token of the set that is not answered takes fewer cycles by the head's than one that is."""
    asked, unasked = answers[len(PROMPT) - 1], answers[PROMPT.index(3)]
    return asked.cycles - unasked.cycles > head_cycles()


def test_tokens_and_keys_of_a_set_are_the_emulated_decoders_and_what_is_left_out_costs_less(library: Path) -> None:
    text, answers = board_text(library)
    assert text == emulated_text()
    assert [len(answer.best.tokens) for answer in answers] == [0] * (len(PROMPT) - 1) + [1] * (FOLLOWING + 1)
    left_out = np.mean([answer.cycles for answer, kept in zip(answers, KEPT, strict=False) if not kept])
    assert left_out < 0.5 * answers[0].cycles, "one layer of three"
    assert saves_the_head(answers)


def test_tokens_of_a_set_that_are_taken_together_answer_as_one_by_one(library: Path) -> None:
    text, answers = board_text(library, batch=ENGINE.batch)
    assert text == emulated_text()
    assert [answer.taken for answer in answers] == [1, 2, 2] + [1] * FOLLOWING


@pytest.mark.parametrize("number", range(FIRST_SET_MUTANT, len(DECODER_MUTANTS) + 1))
def test_every_fault_of_a_set_is_found(library: Path, number: int) -> None:
    text, answers = board_text(library, number)
    found = text != emulated_text() or not saves_the_head(answers)
    assert found or board_text(library, number, ENGINE.batch)[0] != text
