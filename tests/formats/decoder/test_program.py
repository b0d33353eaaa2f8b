import numpy as np

from formats.decoder.program import Add, Answer, MatrixPlace, Multiply, Program, RotaryRows, Slot

UP = MatrixPlace("up", "scaled-4bit", 24, 8)
DOWN = MatrixPlace("down", "scaled-4bit", 8, 24)
HEAD = MatrixPlace("head", "scaled-2bit", 100, 8)
ROWS = RotaryRows(np.zeros((7, 2), np.int16), np.zeros((7, 2), np.int16))
PROGRAM = Program(
    (
        Multiply(UP, Slot.STREAM, Slot.UP, 3),
        Multiply(DOWN, Slot.UP, Slot.BRANCH, 4),
        Add(Slot.BRANCH, Slot.STREAM),
        Answer(HEAD, Slot.STREAM, -13),
    ),
    (ROWS,),
    dim=8,
    kv_bits=8,
)


def test_a_program_names_its_matrices_in_the_order_they_multiply() -> None:
    assert PROGRAM.matrices == (UP, DOWN, HEAD)


def test_its_longest_context_is_that_of_its_rotary_rows() -> None:
    assert PROGRAM.positions == 7


def test_vector_memory_holds_the_longest_vector_of_every_slot_and_no_logits() -> None:
    assert PROGRAM.vector_words == 8 + 24 + 8


def test_it_knows_the_elements_that_each_command_makes() -> None:
    assert PROGRAM.lengths == (24, 8, 8, 100)
