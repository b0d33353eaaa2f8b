"""The one table of all papers: a row a claim."""

import json
from collections.abc import Mapping

from formats.errors import InputError
from papers.claim import Claim, Finding, verdict
from papers.claims import PAPERS
from papers.report import Report

BEGIN, END = "<!-- claims -->", "<!-- end of claims -->"
"""Marks in README around the table."""

RULE = """*Theirs* is the paper's own figure, read in the paper or its code (*as reported*) or in another's account of
it (*second-hand*); where no source at hand has a figure, it says so. *Ours* is of the same quantity; in brackets, a
95 % interval. The verdict is computed (`papers/claim.py`):

* **reproduced**: ours is theirs or better, less a tolerance (a tenth of the effect unless the claim states another), at
  the scale that the row names;
* **direction only**: ours is on the right side of "no effect", with its whole interval, but falls short of theirs, or
  the paper gives no figure, or something stands in for its model, data or format;
* **mechanism only**: the method runs, but the quantity cannot be measured here; the row says what was measured instead;
* **not reproduced**: ours, or an end of its interval, is no better than "no effect".
"""

COLUMNS = """| paper | claim | quantity | theirs | ours | scale: theirs → ours | ours ran on | verdict |
|---|---|---|---:|---:|---|---|---|
"""


def number(value: float) -> str:
    """Four digits, no exponent."""
    return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def theirs(claim: Claim) -> str:
    """The paper's figure, and how it is known."""
    if claim.theirs is None:
        return "no figure at hand"
    ends = claim.theirs if isinstance(claim.theirs, tuple) else (claim.theirs,)
    return f"{claim.words or ' to '.join(number(end) for end in ends)} ({claim.mark})"


def ours(finding: Finding) -> str:
    """Our figure with its interval, or what there is instead."""
    if finding.ours is None:
        return f"not measured; {finding.instead}"
    interval = f" [{', '.join(number(end) for end in finding.interval)}]" if finding.interval else ""
    return number(finding.ours) + interval


def row(paper: str, claim: Claim, finding: Finding) -> str:
    """One line of the table; a verdict that is negative stands out."""
    found = verdict(claim, finding)
    scale = f"{claim.scale} → {finding.scale}" + (f"; stand-in: {finding.stand_in}" if finding.stand_in else "")
    cells = (
        f"[{PAPERS[paper].title}](https://arxiv.org/abs/{PAPERS[paper].arxiv})",
        f"{claim.statement} ({claim.source})",
        claim.quantity,
        theirs(claim),
        ours(finding),
        scale,
        finding.ran,
        f"**{found}**" if found == "not reproduced" else found,
    )
    return f"| {' | '.join(cells)} |\n"


def table(reports: Mapping[str, Report]) -> str:
    """All claims of some papers, as Markdown."""
    rows = [
        row(name, claim, report.findings[key])
        for name, report in reports.items()
        for key, claim in PAPERS[name].claims.items()
    ]
    return COLUMNS + "".join(rows)


def document(reports: Mapping[str, Report]) -> str:
    """docs/papers/results.md: the rule, the table, and all other figures as JSON."""
    parts = ["# What each paper claims and what is found here\n", "Made by `make papers`.\n", RULE, table(reports)]
    parts.append("## All other figures\n")
    for name, report in reports.items():
        figures = json.dumps(report.figures, indent=2, ensure_ascii=False)
        title = f"### {PAPERS[name].title}: [{name}.md]({name}.md), `seedloom paper {name}`"
        parts.append(f"{title}\n\n```json\n{figures}\n```\n")
    return "\n".join(parts)


def with_table(text: str, claims: str) -> str:
    """README with the table between its marks.

    Raises
    ------
    InputError
        If a mark is missing, or stands there twice.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise InputError(f"there is no one place for the table: put the lines {BEGIN} and {END} where it should stand")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{claims}{END}{after}"
