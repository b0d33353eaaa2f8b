"""What a paper's demonstration found."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from papers.claim import Finding

PLACES = {"simulated": "RTL simulated", "emulated": "emulated"}
"""How a table calls what runs on a device; another device goes by its name."""


@dataclass(frozen=True)
class Report:
    """What a demonstration found.

    Parameters
    ----------
    device
        What ran the hardware's part.
    findings
        One for each of the paper's claims, by the claim's key in ``papers.claims``.
    figures
        Everything else that was measured, each name with its unit.
    details
        Curves and tables behind the figures, plain values only.
    """

    device: str
    findings: dict[str, Finding]
    figures: dict[str, float | str]
    details: dict[str, Any] = field(default_factory=dict)

    def json(self) -> str:
        """Everything, for machines."""
        return json.dumps(asdict(self), indent=2, allow_nan=False, ensure_ascii=False)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "Report":
        """A report as ``json`` wrote it."""
        findings = {key: Finding(**_interval(finding)) for key, finding in fields["findings"].items()}
        return cls(**fields | {"findings": findings})


def _interval(finding: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples."""
    ends = finding["interval"]
    return finding | {"interval": ends and tuple(ends)}


class Paper(Protocol):
    """A demonstration: what a module of this package offers."""

    @staticmethod
    def measure(device: str) -> Report:
        """Run it: minutes. Sizes are further arguments, whose defaults are those of the published figures.

        Parameters
        ----------
        device
            ``"emulated"`` or ``"simulated"``: what runs the hardware's part.
        """


def on(device: str) -> str:
    """Where a device's part ran, for the table."""
    return PLACES.get(device, device)


def yes_or_no(answer: bool) -> str:
    """A check's outcome as a figure, such that a failure stands out."""
    return "yes" if answer else "NO"
