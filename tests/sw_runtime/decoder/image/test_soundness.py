"""No board gets a program that leaves its areas, its slots or its engine."""

import hashlib
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.decoder.program import Gate, Slot
from formats.decoder.words import LAYOUTS, Opcode, read_commands
from formats.engine import EngineParameters
from formats.errors import CheckpointError, InputError
from hw.board.boards import BOARDS
from sw_runtime.decoder.compiler import compile_program
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.image.soundness import violations
from sw_runtime.decoder.parts import DecoderParts
from tests.sw_runtime.decoder.models import MODELS, TinyOpenELM, parts_of, tiny_model

BOARD = BOARDS["ulx3s-64mb"]
Records = list[tuple[Opcode, dict[str, int]]]


@cache
def parts(family: str) -> DecoderParts:
    return TinyOpenELM().parts() if family == "openelm" else parts_of(tiny_model(family))


@cache
def image(family: str = "llama with biases") -> Image:
    return Image.of(compile_program(parts(family), 8), parts(family).matrices, BOARD)


def subject() -> tuple[Records, dict[str, range], EngineParameters]:
    """Records of a program that may be changed, its areas and its engine."""
    contents = image().contents
    areas = {area.name: range(area.address, area.address + area.nbytes) for area in contents.areas}
    records = read_commands(image().memory[: areas["program"].stop].view("<u4").tolist())
    return [(opcode, dict(values)) for opcode, values in records], areas, contents.engine


@pytest.mark.parametrize("family", [*MODELS, "openelm"])
def test_what_the_compiler_makes_is_sound(family: str) -> None:
    assert list(image(family).unsound()) == []


@pytest.mark.parametrize(
    ("opcode", "changes", "message"),
    [
        (Opcode.BEGIN, {"kv_bits": 4}, "kv_bits is 4, not 8 or 16"),
        (Opcode.BEGIN, {"positions": 0}, "the context has no position"),
        (Opcode.BEGIN, {"positions": 65536}, "a context of 65536 positions; a device counts them up to 65535"),
        (Opcode.BEGIN, {"dim": 65}, "an embedding of 65 elements in a stream of 64 words"),
        (Opcode.BEGIN, {"gate_words": 99}, "100 elements into slot gate of 99 words"),
        (Opcode.NORMALISE, {"source": 9}, "source 9 is no slot; there are 9"),
        (Opcode.NORMALISE, {"source": 2}, "slot query holds nothing yet"),
        (Opcode.NORMALISE, {"width": 63}, "slot stream holds 64 elements, not 63"),
        (Opcode.NORMALISE, {"weights": 0}, "weights 0x0 to 0x80 leave the area constants"),
        (Opcode.NORMALISE, {"weights": 0x1004}, "weights 0x1004 is no multiple of 64"),
        (Opcode.NORMALISE, {"weights_exponent": 2048}, "weights_exponent 2048 does not fit 12 bits"),
        (Opcode.NORMALISE, {"eps": 1 << 24}, "it has 1 to 24 bits and an even exponent"),
        (Opcode.NORMALISE, {"eps_exponent": -31}, "it has 1 to 24 bits and an even exponent"),
        (Opcode.MULTIPLY, {"format": 1}, "format 1 is none of the image's 1"),
        (Opcode.MULTIPLY, {"rows": 1 << 20}, "a matrix of 1048576 x 64; the engine takes at most"),
        (Opcode.MULTIPLY, {"columns": 0}, "a matrix of 64 x 0; the engine takes at most"),
        (Opcode.MULTIPLY, {"columns": 56}, "slot normed holds 64 elements, not 56"),
        (Opcode.MULTIPLY, {"column_blocks": 9}, "9 column blocks and 64 row groups, where 64 x 64 have 8 and 64"),
        (Opcode.MULTIPLY, {"row_groups": 65}, "8 column blocks and 65 row groups, where 64 x 64 have 8 and 64"),
        (Opcode.MULTIPLY, {"weights": 1 << 26}, "weights 0x4000000 to 0x4000800 leave the area weights"),
        (Opcode.MULTIPLY, {"scales": 0}, "scales 0x0 to 0x80 leave the area weights"),
        (Opcode.MULTIPLY, {"destination": 99}, "destination 99 is no slot"),
        (Opcode.ADD_CONSTANT, {"constant": 0}, "constant 0x0 to 0x100 leave the area constants"),
        (Opcode.ADD_CONSTANT, {"length": 65}, "slot query holds 64 elements, not 65"),
        (Opcode.ROTATE, {"heads": 5}, "slot query holds 64 elements, not 80"),
        (Opcode.ROTATE, {"heads": 64, "width": 1}, "heads of 1 elements have no pairs to turn"),
        (Opcode.ROTATE, {"rows": 0}, "rows 0x0 to 0x500 leave the area rotary"),
        (Opcode.ROTATE, {"factor": 1 << 17}, "factor 131072 does not fit 17 bits"),
        (Opcode.STORE, {"keys": 0}, "keys 0x0 to 0x500 leave the area cache"),
        (Opcode.STORE, {"exponents": 1 << 26}, "exponents 0x4000000 to 0x4000140 leave the area cache"),
        (Opcode.STORE, {"value_slot": 5}, "slot attended holds nothing yet"),
        (Opcode.ATTEND, {"kv_heads": 0}, "4 heads cannot share 0 heads of keys"),
        (Opcode.ATTEND, {"kv_heads": 3}, "4 heads cannot share 3 heads of keys"),
        (Opcode.STORE, {"of_set": 2}, "of_set is 2, not 0 or 1"),
        (Opcode.ATTEND, {"keys": 0}, "no STORE before it fills a cache of 2 heads of 16, of_set 0, at these places"),
        (Opcode.ATTEND, {"of_set": 1}, "no STORE before it fills a cache of 2 heads of 16, of_set 1, at these places"),
        (Opcode.ATTEND, {"of_set": 1, "window": 5}, "a window of 5 positions in the cache of a set"),
        (Opcode.ADD, {"length": 63}, "slot branch holds 64 elements, not 63"),
        (Opcode.GATE, {"destination": 7}, "the destination is the other factor's slot"),
        (Opcode.GATE, {"activation": 3}, "activation 3 is none of 3"),
        (Opcode.ANSWER, {"source": 3}, "slot key holds 32 elements, not 64"),
        (Opcode.ANSWER, {"rows": 122}, "a matrix of 122 x 64; the engine takes at most 121 x 100"),
    ],
)
def test_each_violation_is_named_with_its_command(opcode: Opcode, changes: dict[str, int], message: str) -> None:
    records, areas, engine = subject()
    place = next(place for place, (found, _) in enumerate(records) if found == opcode)
    records[place][1].update(changes)
    found = list(violations(records, areas, engine))
    number = r"\d+" if opcode == Opcode.BEGIN else str(place)
    assert any(re.match(f"command {number}, [A-Z_]+: .*({message})", line) for line in found), found


@pytest.mark.parametrize("place", [0, -1])
def test_a_beginning_or_an_answer_within_a_program_is_named(place: int) -> None:
    records, areas, engine = subject()
    records.insert(3, records[place])
    assert any(
        "command 3, " in line and "stands within the program" in line for line in violations(records, areas, engine)
    )


def test_a_layer_that_is_cached_over_anothers_is_named() -> None:
    records, areas, engine = subject()
    first, second = [values for opcode, values in records if opcode == Opcode.STORE][:2]
    second["keys"] = first["keys"]
    assert any("are cached over another layer's" in line for line in violations(records, areas, engine))


ADDRESSES = ("weights", "scales", "constant", "rows", "keys", "values", "exponents")


@given(st.data())
def test_no_address_leaves_its_area_unnoticed(data: st.DataObject) -> None:
    records, areas, engine = subject()
    places = [
        (place, name)
        for place, (opcode, values) in enumerate(records)
        for name in ADDRESSES
        if name in values and (opcode, name) not in ((Opcode.MULTIPLY, "rows"), (Opcode.ANSWER, "rows"))
    ]
    place, name = data.draw(st.sampled_from(places))
    records[place][1][name] = data.draw(st.integers(areas["cache"].stop, (1 << 32) - 1))
    assert any(line.startswith(f"command {place}, ") for line in violations(records, areas, engine))


@given(st.data())
def test_any_word_is_judged_and_none_breaks_the_check(data: st.DataObject) -> None:
    words = image().memory[: image().contents.areas[0].nbytes].view("<u4").tolist()
    words[data.draw(st.integers(0, len(words) - 1))] = data.draw(st.integers(0, (1 << 32) - 1))
    _, areas, engine = subject()
    try:
        records = read_commands(words)
    except CheckpointError:
        return
    for line in violations(records, areas, engine):
        assert re.match(r"command \d+, [A-Z_]+: .", line)


def test_a_program_that_is_not_sound_becomes_no_image() -> None:
    program = compile_program(parts("llama"), 8)
    commands = tuple(
        replace(each, destination=Slot.UP) if isinstance(each, Gate) else each for each in program.commands
    )
    with pytest.raises(InputError, match=r"no board would run this: program, command 14, GATE: the destination is"):
        Image.of(replace(program, commands=commands), parts("llama").matrices, BOARD)


def test_a_file_whose_program_is_not_sound_is_refused(tmp_path: Path) -> None:
    good = image()
    memory = good.memory.copy()
    words = memory[: good.contents.areas[0].nbytes].view("<u4")
    begin = 1 + len(LAYOUTS[Opcode.BEGIN].fields)
    assert words[begin] == Opcode.NORMALISE
    words[begin + 1] = 8
    digest = hashlib.sha256(memory[: good.contents.areas[0].nbytes].data).hexdigest()
    areas = (replace(good.contents.areas[0], sha256=digest), *good.contents.areas[1:])
    Image(replace(good.contents, areas=areas), memory).save(tmp_path / "model.img")
    with pytest.raises(CheckpointError, match=r"command 1, NORMALISE: slot branch holds nothing yet; write the image"):
        Image.load(tmp_path / "model.img")
