from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

from papers.claim import Claim
from papers.claims import PAPERS
from papers.report import Report

ROOT = Path(__file__).parents[2]
CLAIMS = [(name, key) for name, listed in PAPERS.items() for key in listed.claims]


@pytest.mark.parametrize("name", PAPERS)
def test_every_paper_is_measured_on_a_device_and_reports(name: str) -> None:
    measure = signature(import_module(f"papers.{name}").measure)
    first, *sizes = measure.parameters.values()
    assert (first.name, first.annotation, measure.return_annotation) == ("device", str, Report)
    assert all(size.default is not size.empty for size in sizes)


@pytest.mark.parametrize("name", PAPERS)
def test_every_paper_has_a_page_that_names_it(name: str) -> None:
    assert PAPERS[name].arxiv in (ROOT / "docs" / "papers" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "key"), CLAIMS)
def test_a_claim_says_better_than_no_effect_and_where_it_is_read(name: str, key: str) -> None:
    claim: Claim = PAPERS[name].claims[key]
    assert claim.statement
    assert claim.source
    assert claim.quantity
    if claim.least is not None:
        assert claim.exceeds(claim.least, claim.neutral)


def test_all_papers_together_take_no_more_than_ninety_minutes_on_two_cores() -> None:
    assert 30 < sum(listed.minutes for listed in PAPERS.values()) <= 2 * 90


def test_readme_quotes_the_whole_table_of_the_results() -> None:
    results = (ROOT / "docs" / "papers" / "results.md").read_text(encoding="utf-8")
    lines = [line for line in results.splitlines() if line.startswith("| ")]
    assert len(lines) == 1 + len(CLAIMS)  # the head, and a line a claim
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    start = readme.index("<!-- claims -->") + 1
    assert [line for line in readme[start : readme.index("<!-- end of claims -->")] if line.startswith("| ")] == lines
