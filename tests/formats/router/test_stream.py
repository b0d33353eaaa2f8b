"""Data as bytes and as beats."""

from typing import Any

import pytest

from formats.router.descriptor import Command, Flag, KeyFormat, Opcode, RouterParameters
from formats.router.stream import to_beats, to_bytes

FOUR_LANES = RouterParameters(lanes=4)


def load(key_format: KeyFormat, n: int) -> Command:
    return Command(Opcode.LOAD, flags=Flag.DATA | key_format, n=n)


def test_elements_are_little_endian_and_twos_complement() -> None:
    assert to_bytes([0x1234, 1], load(KeyFormat.U16, 2)) == b"\x34\x12\x01\x00"
    assert to_bytes([-2, 0xFFFFFE], load(KeyFormat.S24, 2)) == b"\xfe\xff\xff" * 2
    assert to_bytes([300], Command(Opcode.LRU, n=1)) == b"\x2c\x01"


def test_keys_come_one_a_lane_and_the_last_beat_is_filled_with_zeros() -> None:
    command = load(KeyFormat.U16, 5)
    assert to_beats(to_bytes([1, 2, 3, 4, 5], command), command, FOUR_LANES) == [[1, 2, 3, 4], [5, 0, 0, 0]]


def test_other_elements_come_alone() -> None:
    command = Command(Opcode.RATIO, n=2)
    assert to_beats(to_bytes([1, 2], command), command, FOUR_LANES) == [[1], [2]]


def test_rows_of_first_start_on_a_beat() -> None:
    command = Command(Opcode.FIRST, flags=KeyFormat.U24, n=10, z=5)
    beats = to_beats(to_bytes(range(1, 11), command), command, FOUR_LANES)
    assert beats == [[1, 2, 3, 4], [5, 0, 0, 0], [6, 7, 8, 9], [10, 0, 0, 0]]


def test_missing_bytes_of_the_last_element_are_zero() -> None:
    assert to_beats(b"\x01\x02\x03\x04", Command(Opcode.RATIO, n=2), FOUR_LANES) == [[0x030201], [4]]


def test_data_of_a_command_that_takes_none_still_have_beats() -> None:
    assert to_beats(b"\x01", Command(Opcode.FIRST), FOUR_LANES) == [[1, 0, 0, 0]]
    assert to_beats(b"", Command(Opcode.LOAD), FOUR_LANES) == []


@pytest.mark.parametrize("element", [65536, -32769, "1", 1.0, None])
def test_an_element_must_fit(element: Any) -> None:
    with pytest.raises(ValueError, match=f"element {element!r} does not fit 2 bytes"):
        to_bytes([element], load(KeyFormat.S16, 1))
