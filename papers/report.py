"""What a paper's demonstration found, beside what the paper reports."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from formats.errors import InputError

Mark = Literal["as reported", "second-hand", "unverified", "derived"]
"""How far a paper's figure can be trusted: read in the paper or its code; read in another's account;
recollected; computed from the paper's shapes."""


@dataclass(frozen=True)
class Figure:
    """One figure of ours beside the paper's.

    Parameters
    ----------
    name
        What is measured, with its unit.
    ours
        Measured here.
    paper
        The paper's own, if it gives one.
    mark
        How far the paper's figure can be trusted; needed where there is one.
    """

    name: str
    ours: float | str
    paper: str | None = None
    mark: Mark | None = None

    def __post_init__(self) -> None:
        if (self.paper is None) != (self.mark is None):
            raise InputError(f"figure {self.name!r}: a paper's figure needs its mark, and a mark its figure")

    @property
    def value(self) -> str:
        """Ours, for printing."""
        return self.ours if isinstance(self.ours, str) else f"{self.ours:,.4g}"


@dataclass(frozen=True)
class Report:
    """What a demonstration found.

    Parameters
    ----------
    paper
        Its name and arXiv number.
    scale
        Model, data and sizes: what "ours" stands on.
    device
        What ran the hardware's part.
    figures
        Most telling first.
    details
        Curves and tables behind the figures, plain values only.
    """

    paper: str
    scale: str
    device: str
    figures: list[Figure]
    details: dict[str, Any] = field(default_factory=dict)

    def json(self) -> str:
        """Everything, for machines."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)

    def table(self) -> str:
        """The figures as Markdown."""
        lines = [
            f"{self.paper}: {self.scale}; {self.device} device",
            "",
            "| | ours | paper | mark |",
            "|---|---:|---:|---|",
        ]
        for figure in self.figures:
            lines.append(f"| {figure.name} | {figure.value} | {figure.paper or ''} | {figure.mark or ''} |")
        return "\n".join(lines)


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


def yes_or_no(answer: bool) -> str:
    """A check's outcome as a figure, such that a failure stands out."""
    return "yes" if answer else "NO"
