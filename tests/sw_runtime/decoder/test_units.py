"""What a device must have for a program."""

from dataclasses import replace

import pytest

from formats.decoder.program import Attend
from formats.errors import InputError
from hw.decoder.parameters import DecoderParameters
from sw_runtime.decoder.compiler import compile_program
from sw_runtime.decoder.units import units_for
from tests.sw_runtime.decoder.models import POSITIONS, parts_of, tiny_model

PROGRAM = compile_program(parts_of(tiny_model("llama with biases")), 8)


def test_units_are_as_large_as_slots_biases_heads_and_context() -> None:
    slots = PROGRAM.vector_words
    assert units_for(PROGRAM) == DecoderParameters(slots + 100, parts=4, queries=2, width=16, positions=POSITIONS)


def test_query_heads_that_share_keys_by_several_numbers_are_refused() -> None:
    place = next(place for place, command in enumerate(PROGRAM.commands) if isinstance(command, Attend))
    attend = PROGRAM.commands[place]
    assert isinstance(attend, Attend)
    changed = replace(attend, kv_heads=4)
    program = replace(PROGRAM, commands=(*PROGRAM.commands[:place], changed, *PROGRAM.commands[place + 1 :]))
    with pytest.raises(InputError, match=r"query heads share keys by \[1, 2\]; the device is built for one number"):
        units_for(program)


def test_heads_of_no_whole_beats_are_refused() -> None:
    commands = tuple(
        replace(command, heads=16, kv_heads=8) if isinstance(command, Attend) and not command.layer else command
        for command in PROGRAM.commands
    )
    with pytest.raises(InputError, match=r"heads of \[4, 16\] elements; the device takes multiples of 8"):
        units_for(replace(PROGRAM, commands=commands))
