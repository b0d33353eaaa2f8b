"""Pages are written for readers who are not native speakers: short sentences, usual words."""

import ast
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
MOST_WORDS = 25
"""Mean length of a page's sentences."""

PER = re.compile(
    r"\b(bits?|bytes?|tokens?|cycles?|nats|words?|beats?|weights|rows?|elements?|one|two) "
    r"an? (token|weight|cycle|second|row|word|head|layer|lane)\b"
    r"(?! (?:may|stands|depends|takes|early|late))"  # "bits a weight depends on" is another sentence
)
"""What is written "per"."""

PACKAGES = ("benchmarks", "examples", "formats", "golden_models", "hw", "papers", "seedloom", "sw_runtime", "synth")

ODD = re.compile(r"\bforet(?:ell|old)\w*|\bin the place of\b", re.IGNORECASE)
"""Predict; instead of."""


def prose(page: str) -> str:
    """A page without code, tables, headings, pictures and addresses."""
    page = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    page = "\n".join(line for line in page.splitlines() if not line.startswith(("|", "#", "![", "<!--", ":::")))
    page = re.sub(r"`[^`]*`", "code", page)
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", page)


def sentence_lengths(page: str) -> list[int]:
    """Words of each sentence; an item of a list ends one too."""
    paragraphs = re.split(r"\n\s*\n|\n(?=\s*(?:[*-]|\d+\.) )", prose(page))
    sentences = [
        sentence for part in paragraphs for sentence in re.split(r"(?<=[.!?])[*)\"]*\s+(?=[A-Z(*\"]|code)", part)
    ]
    lengths = [len(re.findall(r"\w[\w'.,-]*", sentence)) for sentence in sentences]
    return [length for length in lengths if length > 1]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_sentences_of_a_page_are_short(path: Path) -> None:
    lengths = sentence_lengths(path.read_text())
    assert sum(lengths) <= MOST_WORDS * len(lengths)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_uses_usual_words(path: Path) -> None:
    page = re.sub(r"<!-- claims -->.*<!-- end of claims -->", "", path.read_text(), flags=re.DOTALL)
    if path.name == "results.md":  # names of kept results
        return
    assert [found[0] for words in (PER, ODD) for found in words.finditer(page)] == []


def docstrings(package: str) -> list[str]:
    """All docstrings of a package, strings below constants and fields among them."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                found.append(inspect.cleandoc(node.value.value))
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_use_usual_words_and_short_sentences(package: str) -> None:
    texts = docstrings(package)
    assert [found[0] for text in texts for words in (PER, ODD) for found in words.finditer(text)] == []
    lengths = [length for text in texts for length in sentence_lengths(text)]
    assert len(lengths) > 10
    assert sum(lengths) <= MOST_WORDS * len(lengths)


def test_long_and_short_sentences_are_told_apart() -> None:
    page = "# A heading\n\nThree words here. See [this page](address.md), `a b c`.\n\n* An item\n* Another one\n"
    assert sentence_lengths(page) == [3, 4, 2, 2]


def test_what_should_be_per_is_found_and_other_sentences_are_not() -> None:
    assert [found[0] for found in PER.finditer("A word a cycle, 4 bits a weight; bits a weight depends on.")] == [
        "word a cycle",
        "bits a weight",
    ]
