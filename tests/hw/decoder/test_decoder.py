"""A whole decoder on a board's memory: tokens and keys are the emulated decoder's, and faults are found."""

from pathlib import Path

import pytest

from formats.board_requests import Opcode, Status, request_words
from formats.decoder.words import LAYOUTS
from formats.errors import DeviceError
from sw_runtime.decoder.cost import command_cost
from sw_runtime.decoder.image.memory_map import program_words
from tests.hw.decoder.decoders import (
    BOARD,
    ENGINE,
    UNITS,
    DecoderBoard,
    build_decoder,
    expected,
    image_of,
    program_of,
    subject,
)
from tests.hw.decoder.mutants import DECODER_MUTANTS


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_decoder(tmp_path_factory.mktemp("decoder"))


def answers(library: Path, family: str, kv_bits: int, mutant: int = 0) -> tuple[list[tuple[int, int]], dict[str, int]]:
    """Tokens and keys that a board answers, and rules of its memory chip that it broke."""
    program = program_of(family, kv_bits)
    board = DecoderBoard(library, image_of(family, program), mutant)
    try:
        taken = [board.take(embedding) for embedding in subject(family)[1]]
        return [(each.token, each.key) for each in taken], board.simulator.broken_rules()
    finally:
        board.simulator.close()


@pytest.mark.parametrize(
    ("family", "kv_bits"), [("llama with biases", 8), ("gemma3", 16), ("qwen3", 8), ("mistral", 16)]
)
def test_tokens_and_keys_are_the_emulated_decoders(library: Path, family: str, kv_bits: int) -> None:
    wanted = expected(family, program_of(family, kv_bits))
    assert len(set(wanted)) == len(wanted), "no two answers are the same"
    assert answers(library, family, kv_bits) == (wanted, {})
