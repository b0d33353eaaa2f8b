"""Several programs in one memory share what is equal, and each runs from the bytes alone."""

from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from formats.decoder.program import Program, RotaryRows
from formats.errors import InputError
from hw.board.boards import BOARDS
from sw_runtime.decoder.compiler import compile_program, draft_program, exit_program
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.experts import nested_expert
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.image.memory_map import WHOLE, matrix_bytes, program_words, with_context
from sw_runtime.decoder.parts import DecoderParts
from sw_runtime.decoder.units import units_for
from tests.sw_runtime.decoder.models import parts_of, tiny_model

BOARD = BOARDS["ulx3s-64mb"]
TOKENS = torch.randint(120, (6,), generator=torch.Generator().manual_seed(5))


@cache
def subject() -> tuple[DecoderParts, NDArray[Any]]:
    model = tiny_model("llama with biases")
    return parts_of(model), model.get_input_embeddings()(TOKENS).detach().numpy()


def programs() -> dict[str, Program]:
    """The whole decoder and two that leave early."""
    parts = subject()[0]
    return {
        WHOLE: compile_program(parts, 8),
        "draft": draft_program(parts, 8, 1),
        "exit": exit_program(parts, 8, 2),
    }


def image_of(programs: dict[str, Program]) -> Image:
    (_, whole), *others = programs.items()
    return Image.of(whole, subject()[0].matrices, BOARD, dict(others))


def test_each_program_runs_from_the_bytes_of_the_file(tmp_path: Path) -> None:
    parts, embeddings = subject()
    image_of(programs()).save(tmp_path / "model.img")
    found = Image.load(tmp_path / "model.img")
    assert found.programs == (WHOLE, "draft", "exit")
    for name, program in programs().items():
        reader = found.reader(name)
        expected = EmulatedDecoder(program, parts.matrices).take(embeddings, answers=6)
        assert np.array_equal(
            EmulatedDecoder(reader.program(), reader.matrices()).take(embeddings, answers=6), expected
        )


def test_further_programs_take_their_words_and_nothing_else() -> None:
    several, alone = image_of(programs()), image_of({WHOLE: programs()[WHOLE]})
    more = sum(4 * program_words(program) for name, program in programs().items() if name != WHOLE)
    assert 0 <= len(several.memory) - len(alone.memory) - more < 2 * 64, "each begins with a beat"
    for area, following in pairwise(several.contents.areas):
        assert area.address + area.nbytes == following.address


def test_the_rows_of_an_expert_lie_in_the_dense_matrices() -> None:
    parts, embeddings = subject()
    expert = nested_expert(parts, 0, 2)
    matrices, program = parts.matrices | expert.matrices, compile_program(expert, 8)
    image = Image.of(programs()[WHOLE], matrices, BOARD, {"expert": program})
    alone = image_of({WHOLE: programs()[WHOLE]})
    biases = 2 * 4 * 50
    copied = [matrix_bytes(layer.down.place, image.contents.engine) + 2 * 64 + biases for layer in expert.layers]
    more = len(image.memory) - len(alone.memory) - 4 * program_words(program)
    assert 0 <= more - sum(copied) < 64 * (1 + 4 * len(copied)), "down matrices, biases, and the ends of beats"
    reader = image.reader("expert")
    expected = EmulatedDecoder(program, expert.matrices).take(embeddings, answers=6)
    assert np.array_equal(EmulatedDecoder(reader.program(), reader.matrices()).take(embeddings, answers=6), expected)
    whole, reader = EmulatedDecoder(programs()[WHOLE], parts.matrices), image.reader()
    read = EmulatedDecoder(reader.program(), reader.matrices())
    assert np.array_equal(read.take(embeddings, answers=6), whole.take(embeddings, answers=6))


def test_the_context_leaves_room_for_all_programs() -> None:
    parts, contexts = subject()[0], []
    alone = image_of({WHOLE: programs()[WHOLE]}).contents
    end = alone.areas[-1].address + alone.areas[-1].nbytes
    board = replace(BOARD, size_bytes=end + 1000)
    whole, *others = programs().values()
    for some in ({}, dict(zip("ab", others, strict=True))):
        contexts.append(Image.of(whole, parts.matrices, board, some).contents.context)
    assert contexts[0] == 40 > contexts[1] > 10


def test_units_are_as_large_as_the_largest_program_needs() -> None:
    whole, draft, _ = programs().values()
    assert units_for(draft, whole) == units_for(whole, draft) == units_for(whole)


def test_a_program_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(InputError, match="the image has no area 'late'; it has program, draft, exit, const"):
        image_of(programs()).reader("late")


def test_programs_of_another_model_are_refused() -> None:
    whole, draft, leaving = programs().values()
    turned = tuple(RotaryRows(rows.sin, rows.cos) for rows in whole.rotary)
    for other in (replace(draft, kv_bits=16), replace(draft, dim=32), replace(draft, rotary=turned)):
        with pytest.raises(InputError, match="draft: width, cache or rotary rows are not the whole decoder's; compile"):
            image_of({WHOLE: whole, "draft": other})
    with pytest.raises(InputError, match="exit stores layers that the whole decoder does not; compile both"):
        image_of({WHOLE: draft, "exit": leaving})


def test_a_program_may_have_been_compiled_for_another_context() -> None:
    whole, draft, _ = programs().values()
    assert image_of({WHOLE: with_context(whole, 20), "draft": draft}).reader("draft").program().positions == 20


@pytest.mark.parametrize("name", ["program", "weights", "cache"])
def test_a_program_called_as_an_area_of_every_image_is_refused(name: str) -> None:
    whole, draft, _ = programs().values()
    with pytest.raises(InputError, match=f"'{name}' is an area of every image; call the program otherwise"):
        Image.of(whole, subject()[0].matrices, BOARD, {name: draft})
