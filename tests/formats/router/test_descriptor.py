"""Commands as words, and a unit's build parameters."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.router.descriptor import Command, Opcode, RouterParameters

words = st.lists(st.integers(0, 2**32 - 1), min_size=5, max_size=5)


def test_every_field_has_its_place() -> None:
    command = Command(0x11, 0x22, 0x3344, 0x556677, 0x88, 0x99AABB, 0xCC, 0xDDEEFF, 0x01, 0x0203, 0x04, 0x05)
    assert command.words() == (0x33442211, 0x88556677, 0xCC99AABB, 0x01DDEEFF, 0x05040203)


def test_slots_are_none_unless_named() -> None:
    assert Command(Opcode.NOP).words() == (0, 0xFF000000, 0xFF000000, 0xFF000000, 0xFF000000)


@given(words=words)
def test_any_words_are_a_command_and_come_back(words: list[int]) -> None:
    assert list(Command.from_words(words).words()) == words


@pytest.mark.parametrize("words", [[0] * 4, [0] * 6, [0, 0, 1 << 32, 0, 0], [-1, 0, 0, 0, 0]])
def test_a_command_is_five_words(words: list[int]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"a command is five 32-bit words, got {words}")):
        Command.from_words(words)


@pytest.mark.parametrize(
    ("field", "bits"), [("tag", 8), ("flags", 16), ("n", 24), ("dst", 8), ("x", 24), ("z", 16), ("base", 8)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_field_that_does_not_fit_is_refused(field: str, bits: int, sign: int) -> None:
    value = sign << bits
    with pytest.raises(ValueError, match=f"{field} must be 0 to {(1 << bits) - 1}, not {value}"):
        Command(Opcode.NOP, **{field: value})


@pytest.mark.parametrize("opcode", ["LOAD", 16.0, True, None])
def test_a_field_that_is_no_integer_is_refused(opcode: Any) -> None:
    with pytest.raises(ValueError, match=f"opcode must be an integer, 0 to 255, not {opcode!r}"):
        Command(opcode)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"lanes": 2}, "lanes must be 4, 8 or 16, not 2"),
        ({"digit_bits": 5}, "digit_bits must be 1, 2, 3, 4, 6, 8, 12 or 24, not 5"),
        ({"digit_bits": 4.0}, "digit_bits must be an integer, 1, 2, 3, 4, 6, 8, 12 or 24, not 4.0"),
        ({"lanes": "4"}, "lanes must be an integer, 4, 8 or 16, not '4'"),
        ({"keys": None}, "keys must be an integer, a multiple of 16 from 16 to 4096, not None"),
        ({"slots": True}, "slots must be an integer, 1 to 254, not True"),
        ({"keys": 4112}, "keys must be a multiple of 16 from 16 to 4096, not 4112"),
        ({"keys": 24}, "keys must be a multiple of 16 from 16 to 4096, not 24"),
        ({"slots": 255}, "slots must be 1 to 254, not 255"),
        ({"sets": 0}, "sets must be 1 to 256, not 0"),
        ({"ways": 9}, "ways must be 1 to 8, not 9"),
    ],
)
def test_build_parameters_have_limits(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RouterParameters(**parameters)
