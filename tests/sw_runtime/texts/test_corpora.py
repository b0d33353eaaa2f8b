import importlib.util

import pytest

from formats.errors import DependencyError
from sw_runtime.texts.corpora import (
    RESERVED,
    calibration_articles,
    evaluation_text,
    news,
    wikipedia_articles,
)
from sw_runtime.texts.packages import install


def test_articles_are_prose_without_markup() -> None:
    articles = wikipedia_articles()
    assert len(articles) > 80
    text = "".join(articles)
    assert len(text) > 2_000_000
    for mark in ("[[", "]]", "{{", "<ref", "'''"):
        assert text.count(mark) < 20, mark


def test_the_news_is_prose() -> None:
    assert len(news()) > 300_000
    assert " the " in news()


def test_calibration_never_sees_an_article_kept_for_evaluation() -> None:
    kept, seen = evaluation_text(), calibration_articles()
    for index, article in enumerate(wikipedia_articles()):
        assert (article in kept) == (index % RESERVED == 0)
        assert (article in seen) == (index % RESERVED != 0)
        assert article not in news()


def test_a_missing_text_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=f"{install('gensim')}, or give a text file of your own"):
        news()
