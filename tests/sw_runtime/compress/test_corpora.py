from sw_runtime.compress.corpora import RESERVED, calibration_articles, evaluation_text, wikipedia_articles


def test_articles_are_prose_without_markup() -> None:
    articles = wikipedia_articles()
    assert len(articles) > 80
    text = "".join(articles)
    assert len(text) > 2_000_000
    for mark in ("[[", "]]", "{{", "<ref", "'''"):
        assert text.count(mark) < 20, mark


def test_calibration_never_sees_an_article_kept_for_evaluation() -> None:
    kept, seen = evaluation_text(), calibration_articles()
    for index, article in enumerate(wikipedia_articles()):
        assert (article in kept) == (index % RESERVED == 0)
        assert (article in seen) == (index % RESERVED != 0)
