"""Texts that install with a package: news and Wikipedia articles, shared out between calibration and evaluation."""

import bz2
import html
import re
from functools import cache
from pathlib import Path

from sw_runtime.texts.packages import package_file

EXCERPT = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
RESERVED = 3
"""Every so-manyth article is for evaluation alone."""

PARAGRAPH = 200
"""Characters below which a line is a heading, a list or a caption rather than prose."""


def news() -> str:
    """300 news items.

    Raises
    ------
    DependencyError
        If the package that holds them is not installed, naming the command that installs it.
    """
    return _corpus("lee_background.cor").read_text(encoding="utf-8", errors="replace")


@cache
def wikipedia_articles() -> tuple[str, ...]:
    """Prose of the articles in the excerpt inside gensim's test data, markup removed, in its order.

    Raises
    ------
    DependencyError
        If the package that holds them is not installed, naming the command that installs it.
    """
    with bz2.open(_corpus(EXCERPT), "rt", encoding="utf8", errors="replace") as file:
        pages = re.findall(r"<title>(.*?)</title>.*?<text[^>]*>(.*?)</text>", file.read(), re.DOTALL)
    articles = []
    for title, text in pages:
        prose = _prose(text)
        if prose and ":" not in title and not text.lower().startswith("#redirect"):
            articles.append(prose)
    return tuple(articles)


def _corpus(name: str) -> Path:
    """A text corpus among gensim's test data."""
    return package_file("gensim", f"test/test_data/{name}", "give a text file of your own")


def _prose(text: str) -> str:
    """Paragraphs of an article."""
    text = re.sub(r"<!--.*?-->|<ref[^>]*/>|<ref.*?</ref>", "", html.unescape(text), flags=re.DOTALL)
    for _ in range(6):  # templates and tables nest
        text = re.sub(r"\{\{[^{}]*\}\}|\{\|[^{}]*?\|\}", "", text, flags=re.DOTALL)
    text = re.sub(r"\[\[[^\[\]|]*\|([^\[\]]*)\]\]", r"\1", text)
    text = re.sub(r"\[\[|\]\]|'{2,}|<[^>]+>", "", text)
    lines = (line.strip() for line in text.split("\n"))
    return "\n\n".join(line for line in lines if len(line) > PARAGRAPH and line[0] not in "*#:;|!=[{")


def evaluation_text() -> str:
    """Articles that no calibration may see."""
    return "\n\n".join(wikipedia_articles()[::RESERVED])


def calibration_articles() -> str:
    """All other articles."""
    return "\n\n".join(text for index, text in enumerate(wikipedia_articles()) if index % RESERVED)
