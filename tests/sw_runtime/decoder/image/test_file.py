"""An image is complete: from its bytes alone the emulated decoder makes the same keys."""

import hashlib
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from formats.decoder.program import Answer, Command, Multiply, Program
from formats.decoder.words import VERSION
from formats.errors import CheckpointError, InputError
from hw.board.boards import BOARDS, BoardMemory
from sw_runtime.decoder.compiler import compile_program
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.image.memory_map import WHOLE, MemoryMap, position_bytes, program_engine
from sw_runtime.decoder.parts import DecoderParts
from sw_runtime.whole_files import write_tensors
from tests.sw_runtime.decoder.models import TinyOpenELM, parts_of, tiny_model

TOKENS = torch.randint(120, (6,), generator=torch.Generator().manual_seed(5))
BOARD = BOARDS["ulx3s-64mb"]


@cache
def subject(family: str) -> tuple[DecoderParts, Program, NDArray[Any]]:
    """Parts of a model, its program, and embeddings of ``TOKENS``."""
    if family == "openelm":
        tiny = TinyOpenELM()
        parts, embeddings = tiny.parts(), tiny.model.token_embeddings(TOKENS)
    else:
        model = tiny_model(family)
        parts, embeddings = parts_of(model), model.get_input_embeddings()(TOKENS)
    return parts, compile_program(parts, 8), embeddings.detach().numpy()


def nameless(command: Command) -> Command:
    """A command without what an image does not say of its matrix."""
    if isinstance(command, Multiply | Answer):
        return replace(command, matrix=replace(command.matrix, name="", first_row=0))
    return command


@pytest.mark.parametrize("family", ["llama", "openelm"])
def test_the_cache_parts_of_all_positions_are_the_cache_and_no_byte_is_of_two(family: str) -> None:
    parts, program, _ = subject(family)
    reader = Image.of(program, parts.matrices, BOARD).reader()
    found = [part for position in range(program.positions) for part in reader.cache_parts(position)]
    area = MemoryMap.of({WHOLE: program}, program_engine(program, BOARD)).areas["cache"]
    covered = np.zeros(len(area), dtype=int)
    for part in found:
        assert part.start % 4 == len(part) % 4 == 0, "whole words"
        covered[part.start - area.start : part.stop - area.start] += 1
    rotary = program.positions * position_bytes(program) - covered.sum()
    assert covered.max() == 1
    assert rotary == sum(rows.cos.nbytes + rows.sin.nbytes for rows in program.rotary)


@pytest.mark.parametrize(
    ("family", "board"), [("llama with biases", "ulx3s-64mb"), ("gemma3", "ecpix5"), ("openelm", "ulx3s-32mb")]
)
def test_a_program_runs_from_the_bytes_of_its_file(family: str, board: str, tmp_path: Path) -> None:
    parts, program, embeddings = subject(family)
    Image.of(program, parts.matrices, BOARDS[board]).save(tmp_path / "model.img")
    reader = Image.load(tmp_path / "model.img").reader()
    found = reader.program()
    assert list(map(nameless, found.commands)) == list(map(nameless, program.commands))
    assert (found.dim, found.kv_bits, found.positions) == (program.dim, 8, program.positions)
    expected = EmulatedDecoder(program, parts.matrices).take(embeddings, answers=6)
    assert np.array_equal(EmulatedDecoder(found, reader.matrices()).take(embeddings, answers=6), expected)


def test_areas_follow_each_other_and_no_byte_but_the_cache_is_left_out() -> None:
    parts, program, _ = subject("llama with biases")
    image = Image.of(program, parts.matrices, BOARD)
    areas = image.contents.areas
    assert [area.name for area in areas] == ["program", "constants", "rotary", "weights", "embeddings", "cache"]
    for area, following in pairwise(areas):
        assert area.address + area.nbytes == following.address
    assert len(image.memory) == areas[-1].address
    assert areas[-1].nbytes >= 40 * 3 * 2 * 2 * (16 + 2), (
        "40 positions, 3 layers, keys and values of 2 heads, exponents"
    )


def smaller(missing: int) -> BoardMemory:
    """A board whose memory is so many bytes smaller than what stands below the cache."""
    _, program, _ = subject("llama")
    places = MemoryMap.of({WHOLE: program}, program_engine(program, BOARD))
    return replace(BOARD, size_bytes=places.areas["cache"].start - missing)


def test_the_context_is_what_the_memory_holds() -> None:
    parts, program, _ = subject("llama")
    each = position_bytes(program)
    contexts = []
    for more in (10 * each, 11 * each):
        image = Image.of(program, parts.matrices, smaller(-more))
        end = image.contents.areas[-1].address + image.contents.areas[-1].nbytes
        assert end <= image.contents.memory_bytes
        contexts.append(image.contents.context)
    assert 10 <= contexts[0] == contexts[1] - 1 < 40


def test_a_model_too_large_is_refused_with_the_bytes_that_are_missing() -> None:
    parts, program, _ = subject("llama")
    board = smaller(200_000)
    with pytest.raises(
        InputError, match=r"does not fit the memory of ulx3s-64mb by .* use fewer bits per weight"
    ) as said:
        Image.of(program, parts.matrices, board)
    missing = int(str(said.value).split(" by ")[1].split(" bytes")[0].replace(",", ""))
    assert (
        Image.of(program, parts.matrices, replace(board, size_bytes=board.size_bytes + missing)).contents.context == 1
    )


def test_a_file_that_is_not_there_says_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.img is no file; write one with `seedloom image FOLDER"):
        Image.load(tmp_path / "no.img")


@pytest.mark.parametrize("area", ["program", "constants", "rotary", "weights"])
def test_a_changed_byte_is_found_and_its_area_named(area: str, tmp_path: Path) -> None:
    parts, program, _ = subject("llama")
    image = Image.of(program, parts.matrices, BOARD)
    image.memory[next(found.address for found in image.contents.areas if found.name == area)] ^= 1
    image.save(tmp_path / "model.img")
    with pytest.raises(CheckpointError, match=f"the {area} area is not what was written; write the image again"):
        Image.load(tmp_path / "model.img")


def test_another_version_and_another_file_are_refused(tmp_path: Path) -> None:
    parts, program, _ = subject("llama")
    image = Image.of(program, parts.matrices, BOARD)
    path = tmp_path / "model.img"
    replace(image, contents=replace(image.contents, version=9)).save(path)
    with pytest.raises(CheckpointError, match=rf"model\.img: it is of version 9, not {VERSION}; write it again"):
        Image.load(path)
    write_tensors(path, {"other": torch.zeros(1)})
    with pytest.raises(CheckpointError, match="is no image of a program; write it with `seedloom image`"):
        Image.load(path)
    path.write_text("text")
    with pytest.raises(CheckpointError, match="is no image of a program"):
        Image.load(path)


@pytest.mark.parametrize("memory", [torch.zeros(64, dtype=torch.uint8), torch.zeros(1, 64), torch.zeros(64).bfloat16()])
def test_a_memory_that_is_not_the_records_is_refused(memory: torch.Tensor, tmp_path: Path) -> None:
    parts, program, _ = subject("llama")
    write_tensors(tmp_path / "a.img", {"memory": memory}, Image.of(program, parts.matrices, BOARD).contents.record())
    with pytest.raises(CheckpointError, match=r"a\.img(: the memory is not as long as its record| is no image)"):
        Image.load(tmp_path / "a.img")


def test_a_program_that_is_none_is_refused_with_its_file(tmp_path: Path) -> None:
    parts, program, _ = subject("llama")
    image = Image.of(program, parts.matrices, BOARD)
    first = image.contents.areas[0]
    image.memory[:4] = 255
    sums = replace(first, sha256=hashlib.sha256(image.memory[: first.nbytes].data).hexdigest())
    changed = replace(image.contents, areas=(sums, *image.contents.areas[1:]))
    replace(image, contents=changed).save(tmp_path / "a.img")
    with pytest.raises(CheckpointError, match=r"a\.img: word 0 of the program is no opcode; write the image again"):
        Image.load(tmp_path / "a.img")


def test_what_is_at_the_place_of_an_image_already_stays(tmp_path: Path) -> None:
    parts, program, _ = subject("llama")
    path = tmp_path / "model.img"
    path.write_text("a tale")
    with pytest.raises(FileExistsError, match=r"model\.img is there already; choose another name, or delete it"):
        Image.of(program, parts.matrices, BOARD).save(path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["a tale"]
