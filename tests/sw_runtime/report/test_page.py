"""The page of ``seedloom report`` is whole, says what the folder stores, and fetches nothing."""

import json
import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seedloom.cli import app
from sw_runtime.report.page import Sample, page
from tests.conftest import OTHER_FORMATS, write_tokenizer
from tests.models import tiny_llama
from tests.sw_runtime.serve.browser import CHROMIUM, Browser


class Parsed(HTMLParser):
    """Elements, words by the id that they stand under, and rows of tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: dict[str, str] = {}
        self.rows: dict[str, int] = {}
        self._open: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag != "meta":
            self._open.append((tag, attributes.get("id") or ""))
        if tag == "tr":
            table = next(name for opened, name in reversed(self._open) if opened == "table")
            self.rows[table] = self.rows.get(table, 0) + 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, name in self._open:
            if name:
                self.words[name] = self.words.get(name, "") + data


def write_report(folder: Path, **more: Any) -> None:
    """Errors of all layers as ``seedloom compress`` stores them, and what stays dense."""
    modules = json.loads((folder / "config.json").read_text())["quantization_config"]["modules"]
    layers = {
        name: {"format": format, "method": "feedback", "error": 0.1, "held_out_error": 0.12 + 0.01 * number}
        for number, (name, format) in enumerate(modules.items())
    }
    coverage = {"compressed": 900, "layers": {"Linear": len(layers)}, "dense": {"an <embedding>": 100}}
    (folder / "report.json").write_text(json.dumps({"coverage": coverage, "layers": layers} | more))


MEASURED = {"kind": "measured", "mean": 0.0456, "error": 0.0012, "windows": 4, "tokens": 512}


@pytest.fixture
def folder(tiny_model: Callable[..., Path]) -> Path:
    path = tiny_model()
    write_report(path, divergence=MEASURED)
    return path


def test_the_page_says_what_is_stored_and_every_element_is_closed(folder: Path) -> None:
    parsed = Parsed(page(folder))
    assert re.fullmatch(r"[34]\.\d{3}", parsed.words["bits"])
    assert parsed.words["divergence"] == "0.0456 ± 0.0012"
    assert "an <embedding>" in parsed.words["dense"]
    assert "10.0 %" in parsed.words["dense"]
    assert parsed.rows == {"layers": 1 + 15, "dense": 1 + 1, "boards": 1 + 4}
    assert "model.layers.1.mlp.down_proj, paper-3bit: 0." in parsed.words["errors"]
    assert sum(tag == "circle" and attributes["r"] == "3.5" for tag, attributes in parsed.elements) == 15
    assert "paper-3bit; it takes 5 or more" in parsed.words["boards"]


def test_nothing_is_fetched(folder: Path) -> None:
    text = page(folder, Sample("w1", "w2"))
    tags = {tag for tag, _ in Parsed(text).elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed"}
    assert not any({"src", "href"} & set(attributes) for _, attributes in Parsed(text).elements)
    assert "url(" not in text
    assert "@import" not in text
    assert re.findall(r"https?://[^\" ]*", text) == ["http://www.w3.org/2000/svg"]


def test_texts_stand_side_by_side_and_cannot_become_elements(folder: Path) -> None:
    parsed = Parsed(page(folder, Sample("<b>w1", "<script>w2</script>", "w3 & w4")))
    assert parsed.words["compressed"] == "<script>w2</script>"
    assert parsed.words["original"] == "w3 & w4"
    assert "original" not in Parsed(page(folder, Sample("w1", "w2"))).words


def test_a_folder_without_report_says_so(tiny_model: Callable[..., Path]) -> None:
    text = page(tiny_model())
    assert "was not measured when the folder was written" in text
    assert "No errors are stored in this folder." in text
    assert "The folder does not say." in text
    assert "None was written" in text


def test_boards_that_hold_the_model_have_figures(
    tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OTHER_FORMATS, "model.layers.1.mlp.down_proj", "paper-4bit")  # 3 bits need a wider port
    words = Parsed(page(tiny_model())).words["boards"]
    assert words.count("yes") == 4
    assert "simulated" in words


def test_the_command_writes_both_texts_and_never_over_a_file(folder: Path, tmp_path: Path) -> None:
    tiny_llama(num_hidden_layers=1).save_pretrained(tmp_path / "original")
    write_tokenizer(tmp_path / "original")
    arguments = ["report", str(folder), "-o", str(tmp_path / "report.html")]
    texts = ["--text", "w1 w2", "--reference", str(tmp_path / "original"), "--tokens", "3"]
    result = CliRunner().invoke(app, [*arguments, *texts])
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'report.html'}\n"), result.output
    words = Parsed((tmp_path / "report.html").read_text()).words
    assert len(words["original"].split()) == len(words["compressed"].split()) == 3
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert result.stderr.endswith("report.html is there already; choose another name, or delete it\n")


def test_a_reference_without_text_is_refused(folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(folder), "--reference", "x", "-o", str(tmp_path / "r.html")])
    assert (result.exit_code, result.stderr) == (1, "error: --reference continues a text; give one with --text\n")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_browser_shows_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page(folder), encoding="utf-8")
    browser = Browser(tmp_path / "profile", (tmp_path / "report.html").as_uri())
    try:
        while not browser.evaluate("document.title && document.readyState == 'complete'"):
            time.sleep(0.1)
        assert browser.evaluate("document.querySelector('svg').getBoundingClientRect().height") > 100
        assert browser.evaluate("document.querySelectorAll('#layers tr').length") == 16
        assert browser.evaluate("document.body.scrollWidth <= window.innerWidth")
        assert browser.evaluate("performance.getEntriesByType('resource').length") == 0
    finally:
        browser.close()
