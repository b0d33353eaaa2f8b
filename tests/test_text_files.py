"""Text files are UTF-8 in every locale: what reads or writes one says so."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("benchmarks", "examples", "formats", "golden_models", "hw", "papers", "seedloom", "sw_runtime", "synth")


def left_to_the_locale(source: str) -> Iterator[int]:
    """Lines that read or write text and name no encoding; what is called ``read_text`` may be a function of ours."""
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        has_encoding = any(keyword.arg == "encoding" for keyword in call.keywords)
        if call.func.attr in ("read_text", "write_text") and not has_encoding:
            yield call.lineno


@pytest.mark.parametrize("room", ROOMS)
def test_no_text_file_depends_on_the_locale(room: str) -> None:
    sources = sorted((ROOT / room).rglob("*.py"))
    assert sources
    found = {path: list(left_to_the_locale(path.read_text(encoding="utf-8"))) for path in sources}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize("call", ["path.read_text()", "path.write_text(text)", "Path('a').write_text(data=text)"])
def test_a_call_without_an_encoding_is_found(call: str) -> None:
    assert list(left_to_the_locale(call)) == [1]
