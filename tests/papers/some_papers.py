"""Two papers that take no time, what is found for them, and what two devices must agree on."""

from papers.claim import Claim, Finding
from papers.claims import Listed
from papers.report import Report

FASTER = Claim("It is fast", "table 2", "second-hand", "speed-up", 2.8, "a large model", neutral=1)
SMALLER = Claim("It is small", "abstract", "as reported", "MB", None, "a large model", neutral=9, higher=False)
LISTED = {
    "first": Listed("First", "1234.5678", 3, {"speed": FASTER}),
    "second": Listed("Second", "8765.4321", 4, {"speed": FASTER, "size": SMALLER}),
}


def some_report(name: str, device: str) -> Report:
    """What is found for a paper of the list."""
    findings = {
        "speed": Finding(2.5, "a toy", f"engine, {device}", (2.0, 3.0)),
        "size": Finding(10.0, "a toy", "host"),
    }
    return Report(device, {key: findings[key] for key in LISTED[name].claims}, {"cycles": 42, "all equal": "yes"})


def alike(figures: dict[str, float | str], *but: str) -> dict[str, float | str]:
    """Figures without those whose names hold certain words."""
    return {name: value for name, value in figures.items() if not any(words in name for words in but)}
