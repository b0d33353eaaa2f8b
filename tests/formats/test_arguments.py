"""Arguments of another type are named."""

from pathlib import Path
from typing import Any

import pytest

from formats.arguments import check_integers, check_text, check_types
from formats.errors import InputError


def test_arguments_of_their_types_are_taken() -> None:
    check_types(a=("x", str | None), b=(None, str | None), c=(3, int | float), d=(True, bool))


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (3, str, "a must be str, not 3"),
        ("x", int | None, "a must be int or None, not 'x'"),
        (None, str | Path, "a must be str or Path, not None"),
        (True, int, "a must be int, not True"),
    ],
)
def test_an_argument_of_another_type_is_named(value: Any, kind: Any, said: str) -> None:
    with pytest.raises(InputError, match=rf"^{said}$"):
        check_types(a=(value, kind))


@pytest.mark.parametrize(
    ("value", "allowed", "said"),
    [
        (65, range(65), "a must be 0 to 64, not 65"),
        (-1, range(65), "a must be 0 to 64, not -1"),
        (5, (4, 8, 16), "a must be 4, 8 or 16, not 5"),
        (24, range(16, 49, 16), "a must be a multiple of 16 from 16 to 48, not 24"),
        ("4", range(65), "a must be an integer, 0 to 64, not '4'"),
        (4.0, (4, 8, 16), r"a must be an integer, 4, 8 or 16, not 4\.0"),
        (True, range(65), "a must be an integer, 0 to 64, not True"),
        (None, range(65), "a must be an integer, 0 to 64, not None"),
    ],
)
def test_what_is_no_integer_or_out_of_range_is_named(value: Any, allowed: Any, said: str) -> None:
    with pytest.raises(InputError, match=rf"^{said}$"):
        check_integers(b=(allowed[0], allowed), a=(value, allowed))


def test_texts_of_any_script_are_taken() -> None:
    check_text(a="", b="Oncé 漢字 \N{GRINNING FACE}")


def test_half_a_character_is_named_with_its_place() -> None:
    with pytest.raises(InputError, match=r"^b is no UTF-8 text \(character 3 is '\\udcff'\); convert it$"):
        check_text(a="x", b="xy\udcff")
