from dataclasses import replace

import pytest

from papers import table
from papers.claim import Finding
from tests.papers.some_papers import FASTER, LISTED, SMALLER, some_report


@pytest.fixture(autouse=True)
def some_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "PAPERS", LISTED)


def test_a_claim_is_a_row_and_a_negative_verdict_stands_out() -> None:
    reports = {name: some_report(name, "emulated") for name in LISTED}
    head, _, first, second, third = table.table(reports).splitlines()
    assert head == "| paper | claim | quantity | theirs | ours | scale: theirs → ours | ours ran on | verdict |"
    assert first == (
        "| [First](https://arxiv.org/abs/1234.5678) | It is fast (table 2) | speed-up | 2.8 (second-hand) | 2.5 [2, 3] "
        "| a large model → a toy | engine, emulated | direction only |"
    )
    assert second == first.replace("First", "Second").replace("1234.5678", "8765.4321")
    assert third == (
        "| [Second](https://arxiv.org/abs/8765.4321) | It is small (abstract) | MB | no figure at hand | 10 "
        "| a large model → a toy | host | **not reproduced** |"
    )


def test_a_range_and_a_papers_own_words_are_printed_as_they_are() -> None:
    assert table.theirs(replace(SMALLER, theirs=(10.0, 9900.0))) == "10 to 9,900 (as reported)"
    assert table.theirs(replace(FASTER, words="up to 2.8")) == "up to 2.8 (second-hand)"


def test_what_was_measured_instead_and_what_stands_in_is_said() -> None:
    instead = Finding(None, "a toy", "host", instead="half the misses")
    stand_in = Finding(12345.6, "a toy", "host", stand_in="digits")
    assert "| not measured; half the misses |" in table.row("first", FASTER, instead)
    assert "| 12,346 | a large model → a toy; stand-in: digits |" in table.row("first", FASTER, stand_in)


def test_the_document_holds_the_rule_the_table_and_all_other_figures() -> None:
    reports = {"first": some_report("first", "emulated")}
    text = table.document(reports)
    assert table.RULE in text
    assert table.table(reports) in text
    assert '### First: [first.md](first.md), `seedloom paper first`\n\n```json\n{\n  "cycles": 42,' in text


def test_readme_keeps_everything_but_the_old_table() -> None:
    readme = "head\n<!-- claims -->\nold\n<!-- end of claims -->\ntail\n"
    assert table.with_table(readme, "new\n") == readme.replace("old", "new")
    assert table.with_table(table.with_table(readme, "new\n"), "new\n") == readme.replace("old", "new")
