import json
from pathlib import Path

import pytest

from formats.errors import CheckpointError
from sw_runtime.json_files import figures_text, json_text, read_object


def test_what_was_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json_text({"a": [1, 2.5, None, "ü"]}))
    assert read_object(tmp_path / "a.json", "copy it again") == {"a": [1, 2.5, None, "ü"]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ('{"a": NaN}', "it holds NaN, which is no JSON"),
        ('{"a": [-Infinity]}', "it holds -Infinity, which is no JSON"),
        ("[1]", "it is a list, not an object"),
        ("null", "it is a NoneType, not an object"),
        ("[" * 100_000, "maximum recursion depth"),
    ],
)
def test_what_is_no_json_object_is_named_with_its_remedy(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(CheckpointError, match=rf"{tmp_path}/a\.json cannot be read \({reason}.*\); copy it again"):
        read_object(tmp_path / "a.json", "copy it again")


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CheckpointError, match=r"a\.json cannot be read \('utf-8' codec.*\); copy it again"):
        read_object(tmp_path / "a.json", "copy it again")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"a\.json is not there; copy it again"):
        read_object(tmp_path / "a.json", "copy it again")


def test_infinity_is_read_where_it_is_allowed_but_never_nan(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [Infinity, -Infinity]}')
    assert read_object(tmp_path / "a.json", "", infinity=True) == {"a": [float("inf"), float("-inf")]}
    (tmp_path / "a.json").write_text('{"a": NaN}')
    with pytest.raises(CheckpointError, match="it holds NaN"):
        read_object(tmp_path / "a.json", "", infinity=True)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_file_is_never_written_with_a_number_that_is_none(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"a": [value]})


def test_a_printed_figure_that_is_not_finite_is_null() -> None:
    text = figures_text({"a": [1.5, float("nan")], "b": {"c": (float("-inf"), 2, "x", True)}})
    assert json.loads(text) == {"a": [1.5, None], "b": {"c": [None, 2, "x", True]}}
