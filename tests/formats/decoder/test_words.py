from pathlib import Path

import pytest

from formats.decoder.tables import GATES
from formats.decoder.words import (
    ACTIVATIONS,
    LAYOUTS,
    SLOTS,
    VERSION,
    Opcode,
    command_words,
    program_tables,
    read_commands,
)
from formats.errors import CheckpointError, InputError

DOCS = Path(__file__).parents[3] / "docs" / "programs.md"
BEGIN = {field.name: 0 for field in LAYOUTS[Opcode.BEGIN].fields} | {"version": VERSION, "commands": 2}
ADD = {"source": 1, "destination": 0, "length": 8}
ANSWER = {field.name: 0 for field in LAYOUTS[Opcode.ANSWER].fields} | {"exponent": -13}
PROGRAM = [
    *command_words(Opcode.BEGIN, BEGIN),
    *command_words(Opcode.ADD, ADD),
    *command_words(Opcode.ANSWER, ANSWER),
]


def test_the_tables_are_those_of_the_records() -> None:
    assert DOCS.read_text() == program_tables()


def test_every_opcode_has_its_layout_and_every_gate_its_number() -> None:
    assert list(LAYOUTS) == list(Opcode)
    assert set(ACTIVATIONS) == set(GATES)


def test_slots_have_the_numbers_that_the_page_names() -> None:
    assert ", ".join(f"{number} {slot}" for number, slot in enumerate(SLOTS)) in program_tables().replace("\n", " ")


def test_a_command_is_its_opcode_and_a_word_a_field() -> None:
    assert command_words(Opcode.ADD, ADD) == [3, 1, 0, 8]
    assert command_words(Opcode.ANSWER, ANSWER)[-1] == (1 << 32) - 13


def test_commands_are_read_as_they_were_written_and_what_follows_is_left() -> None:
    assert read_commands([*PROGRAM, 77]) == [(Opcode.BEGIN, BEGIN), (Opcode.ADD, ADD), (Opcode.ANSWER, ANSWER)]


@pytest.mark.parametrize(("name", "value"), [("length", 1 << 32), ("length", -1)])
def test_a_value_wider_than_a_word_is_refused(name: str, value: int) -> None:
    with pytest.raises(InputError, match=f"ADD: length {value} does not fit 32 bits; the model has no such program"):
        command_words(Opcode.ADD, ADD | {name: value})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([0x77], "word 0 of the program is no opcode"),
        (PROGRAM[15:], f"does not begin as one of version {VERSION}"),
        ([PROGRAM[0], VERSION + 1, *PROGRAM[2:]], f"does not begin as one of version {VERSION}"),
        (PROGRAM[:-1], "the program ends within ANSWER"),
        (PROGRAM[:15], "word 15 of the program is no opcode"),
        ([*PROGRAM[:19], *PROGRAM[15:19]], "does not end with an answer"),
    ],
)
def test_words_that_are_no_program_are_refused(words: list[int], message: str) -> None:
    with pytest.raises(CheckpointError, match=f"{message}.*; write the image again"):
        read_commands(words)
