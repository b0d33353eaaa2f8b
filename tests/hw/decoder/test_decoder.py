"""A whole decoder on a board's memory: tokens and keys are the emulated decoder's, and faults are found."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from formats.board_requests import BEST, Opcode, Status, answer_of, request_words
from formats.decoder.program import Answer as AnswerCommand
from formats.decoder.program import Multiply, Program
from formats.decoder.words import LAYOUTS
from formats.decoder.words import Opcode as CommandOpcode
from formats.errors import DeviceError, InputError
from sw_runtime.decoder import on_board
from sw_runtime.decoder.cost import command_cost
from sw_runtime.decoder.image.memory_map import with_context
from sw_runtime.device.simulator.build import SLOW
from tests.hw.decoder.decoders import (
    ENGINE,
    UNITS,
    Answer,
    build_decoder,
    expected,
    image_of,
    one_layer,
    open_board,
    open_decoder,
    pairs,
    program_of,
    subject,
)
from tests.hw.decoder.mutants import DECODER_MUTANTS, SET_MUTANTS


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_decoder(tmp_path_factory.mktemp("decoder"))


def answers(
    library: Path, family: str, program: Program, mutant: int = 0, best: int = 1, together: int = 1
) -> tuple[list[Answer], dict[str, int]]:
    """Tokens and keys that a board answers, and rules of its memory chip that it broke."""
    board, embeddings = open_board(library, mutant), subject(family)[1]
    try:
        decoder = open_decoder(board, image_of(family, program))
        taken = [decoder.take(embeddings[at : at + together], best) for at in range(0, len(embeddings), together)]
        return [pairs(each.best) for each in taken], board.broken_rules()
    finally:
        board.close()


@pytest.mark.parametrize(
    ("family", "kv_bits", "best"),
    [
        ("llama with biases", 8, 1),
        ("gemma3", 16, 64),
        ("qwen3", 8, 2),
        ("mistral", 16, 1),
        ("openelm", 8, 1),
    ],
)
def test_tokens_and_keys_are_the_emulated_decoders(library: Path, family: str, kv_bits: int, best: int) -> None:
    program = program_of(family, kv_bits)
    wanted = expected(family, program, best)
    assert len(set(map(tuple, wanted))) == len(wanted), "no two answers are the same"
    assert answers(library, family, program, best=best) == (wanted, {})


@pytest.mark.parametrize("together", [2, ENGINE.batch])
@pytest.mark.parametrize(("family", "kv_bits"), [("llama with biases", 8), ("gemma3", 16), ("openelm", 8)])
def test_tokens_that_are_taken_together_answer_as_one_by_one(
    library: Path, family: str, kv_bits: int, together: int
) -> None:
    program = program_of(family, kv_bits)
    one_by_one, count = expected(family, program, 2), len(subject(family)[1])
    ends = [min(at + together, count) - 1 for at in range(0, count, together)]
    assert answers(library, family, program, best=2, together=together) == ([one_by_one[end] for end in ends], {})


def test_units_that_rest_change_no_answer_and_no_cycle(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sw_runtime.device.simulator.build.with_resting_units", lambda verilog: verilog)
    always = build_decoder(tmp_path, SLOW)
    assert always != library
    for family in ("qwen3", "openelm"):
        found = []
        for each in (library, always):
            decoder = open_decoder(open_board(each), image_of(family, program_of(family, 8)))
            found.append([decoder.take(embedding[None], 3) for embedding in subject(family)[1][:3]])
        assert [(str(answer.best), answer.cycles, answer.port_busy_cycles) for answer in found[0]] == [
            (str(answer.best), answer.cycles, answer.port_busy_cycles) for answer in found[1]
        ]


@pytest.mark.parametrize("together", [1, ENGINE.batch])
def test_tokens_take_the_cycles_of_their_units_and_few_more_a_command(library: Path, together: int) -> None:
    family = "mistral"
    program, embeddings = program_of(family, 8), subject(family)[1][:6]
    decoder = open_decoder(open_board(library), image_of(family, program))
    for first in range(0, len(embeddings), together):
        taken = decoder.take(embeddings[first : first + together])
        costs = []
        for command, length in zip(program.commands, program.lengths, strict=True):
            if isinstance(command, Multiply | AnswerCommand):
                costs.append(command_cost(command, length, program, ENGINE, 1, together))
            else:  # those of later tokens see more
                seen = range(first + 1, first + together + 1)
                costs += [command_cost(command, length, program, ENGINE, each) for each in seen]
        units = sum(max(cost.memory_bytes / 2, cost.beside) + cost.alone for cost in costs)
        # more: a command's words, its steps, and changes of pages; less: not every part takes the most that it may
        assert -units / 20 < taken.cycles - units < 80 * len(costs)
        assert taken.port_busy_cycles > taken.cycles / (2 + together), "two cycles of the chip a word"
    decoder.close()


def test_more_tokens_together_than_the_image_has_room_for_are_refused(library: Path) -> None:
    embeddings = subject("mistral")[1]
    decoder = open_decoder(open_board(library), image_of("mistral", program_of("mistral", 8)))
    for count, said in ((4, "4 tokens"), (0, "0 tokens")):
        with pytest.raises(InputError, match=f"{said} at once, and the image is for 1 to 3: make it with --batch, or"):
            decoder.take(embeddings[:count])
    assert decoder.tokens == 0
    decoder.close()


def test_a_text_that_is_rewound_into_tokens_taken_together_goes_on_from_there(library: Path) -> None:
    family = "llama with biases"
    program, embeddings = one_layer(program_of(family, 8)), subject(family)[1]
    decoder = open_decoder(open_board(library), image_of(family, program))
    decoder.take(embeddings[:3])
    decoder.rewind(1)
    assert decoder.answers == []
    assert pairs(decoder.take(embeddings[1:3]).best) == expected(family, program)[2]
    decoder.close()


def test_what_is_refused_is_not_begun_and_a_token_behind_it_is_right(library: Path) -> None:
    family = "mistral"
    program = one_layer(program_of(family, 8))
    image = image_of(family, program)
    board, words = open_board(library), image.memory.view("<u4")
    decoder = open_decoder(board, image)

    def ask(opcode: Opcode, *arguments: int, data: Sequence[int] = ()) -> list[int]:
        (response,) = board.exchange([request_words(opcode, *arguments, data=data)], 16, 100_000)
        return response

    begin = 1 + len(LAYOUTS[CommandOpcode.BEGIN].fields)
    first = begin + 1 + len(LAYOUTS[CommandOpcode.NORMALISE].fields)
    place = {field.name: first + 1 + at for at, field in enumerate(LAYOUTS[CommandOpcode.MULTIPLY].fields)}
    end = image.contents.memory_bytes
    for wrong, value, status in (
        (1, 9, Status.BAD_ARGUMENT),
        (5, UNITS.positions + 1, Status.BAD_ARGUMENT),
        (begin, 77, Status.BAD_ARGUMENT),
        (place["row_groups"], 257, Status.BAD_ARGUMENT),
        (place["weights"], end - 4, Status.BAD_ADDRESS),
    ):
        ask(Opcode.WRITE, 4 * wrong, data=[value])
        assert ask(Opcode.TOKEN, 0, 1, 0, 0, 0, 1) == [Opcode.TOKEN | status << 8]
        ask(Opcode.WRITE, 4 * wrong, data=[int(words[wrong])])
    for arguments, status in (
        ((2, 1, 0, 0, 0, 1), Status.BAD_ADDRESS),
        ((0, 1, 0, 0, 1, 1), Status.BAD_ADDRESS),
        ((0, 0, 0, 0, 0, 1), Status.BAD_ARGUMENT),
        ((0, ENGINE.batch + 1, 0, 0, 0, 1), Status.BAD_ARGUMENT),
        ((0, 1, program.positions, 0, 0, 1), Status.BAD_ARGUMENT),
        ((0, 2, program.positions - 1, 0, 0, 1), Status.BAD_ARGUMENT),
        ((0, 1, 3, 4, 0, 1), Status.BAD_ARGUMENT),
        ((0, 1, 0, 0, 0, BEST + 1), Status.BAD_ARGUMENT),
    ):
        assert ask(Opcode.TOKEN, *arguments) == [Opcode.TOKEN | status << 8]
    assert ask(Opcode.PRODUCT, 0, 1, 1, 1, 0, 0, 0) == [Opcode.PRODUCT | Status.UNKNOWN_OPCODE << 8]
    taken = decoder.take(subject(family)[1][:1])
    assert pairs(taken.best) == expected(family, program)[0]
    counters, _ = answer_of(Opcode.COUNTERS, ask(Opcode.COUNTERS))
    assert counters == {"cycles": counters["cycles"], "port_busy_cycles": counters["port_busy_cycles"], "products": 1}
    assert counters["cycles"] > taken.cycles
    decoder.close()


def test_a_text_that_is_rewound_goes_on_as_if_nothing_had_followed(library: Path) -> None:
    program, embeddings = one_layer(program_of("mistral", 8)), subject("mistral")[1]
    decoder = open_decoder(open_board(library), image_of("mistral", program))
    first = [decoder.take(embedding[None]) for embedding in embeddings[:3]]
    decoder.rewind(1)
    again = [decoder.take(embedding[None]) for embedding in embeddings[1:3]]
    assert decoder.tokens == 3
    assert [pairs(each.best) for each in again] == [pairs(each.best) for each in first[1:]]
    with pytest.raises(InputError, match="the text has 3 tokens, so it cannot be rewound to 4"):
        decoder.rewind(4)
    decoder.close()


def test_a_text_longer_than_the_images_context_is_refused(library: Path) -> None:
    program, embeddings = with_context(one_layer(program_of("mistral", 8)), 1), subject("mistral")[1]
    decoder = open_decoder(open_board(library), image_of("mistral", program))
    decoder.take(embeddings[:1])
    with pytest.raises(InputError, match="the image has a context of 1 token, and the text 2; give a shorter text"):
        decoder.take(embeddings[1:2])
    decoder.close()


def test_an_image_for_other_formats_is_refused(library: Path) -> None:
    image = image_of("mistral", program_of("mistral", 8))
    other = replace(image, contents=replace(image.contents, formats=("scaled-4bit",)))
    board = open_board(library)
    with pytest.raises(
        DeviceError, match="lanes for trellis-2bit, trellis-3bit, trellis-4bit, the image is for scaled"
    ):
        open_decoder(board, other)
    board.close()


def test_an_image_that_needs_other_units_is_refused_before_anything_is_written(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, board = image_of("mistral", program_of("mistral", 8)), open_board(library)
    for name, message in (
        ("vector_words", "vector_words = 1024, the image needs 1025"),
        ("queries", "queries = 2, the"),
    ):
        needed = replace(UNITS, **{name: UNITS.vector_words + 1 if name == "vector_words" else 1})
        monkeypatch.setattr(on_board, "units_for", lambda _, needed=needed: needed)
        with pytest.raises(DeviceError, match=f"the board's decoder is built for {message}"):
            open_decoder(board, image)
    board.close()


def test_an_image_for_a_larger_engine_or_memory_is_refused(library: Path) -> None:
    image, board = image_of("mistral", program_of("mistral", 8)), open_board(library)
    cache = replace(image.contents.areas[-1], nbytes=image.contents.memory_bytes)
    end = f"{cache.address + cache.nbytes:,}"
    for changed, message in (
        ({"maximum_rows": 257}, "the board's engine is built for maximum_rows = 256, the image needs 257: program a"),
        ({"maximum_columns": 257}, "built for maximum_columns = 256, the image needs 257"),
        (
            {"batch": 4},
            "for batch = 3, the image needs 4: program a board for it, or make the image with a smaller --batch",
        ),
        (
            {"areas": (*image.contents.areas[:-1], cache)},
            f"the board has 67,108,864 bytes of memory, the image and its cache take {end}: make the image for this",
        ),
    ):
        with pytest.raises(DeviceError, match=message):
            open_decoder(board, replace(image, contents=replace(image.contents, **changed)))
    board.close()


@pytest.mark.parametrize(
    "number", range(len(DECODER_MUTANTS) - len(SET_MUTANTS) + 1), ids=lambda n: str((None, *DECODER_MUTANTS)[n])
)
def test_every_fault_is_found(library: Path, number: int) -> None:
    found = False
    for (family, kv_bits), together in product((("llama with biases", 8), ("gemma3", 16)), (1, 2)):
        program = one_layer(program_of(family, kv_bits))
        wanted = expected(family, program, 3)[together - 1 :: together]
        try:
            found = found or answers(library, family, program, number, 3, together) != (wanted, {})
        except DeviceError:  # it stops
            found = True
    assert found == (number > 0)
