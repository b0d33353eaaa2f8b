"""``seedloom paper``: a paper's method on a model, its claims beside what is found."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from typing import Annotated

import typer

import seedloom
from formats.errors import InputError
from papers.claim import verdict
from papers.claims import PAPERS
from papers.report import Paper, Report
from papers.table import table
from seedloom.options import Json


def measure(name: str, device: str = "simulated") -> Report:
    """Run a paper's demonstration: minutes.

    Parameters
    ----------
    name
        One of ``PAPERS``.
    device
        ``"emulated"`` or ``"simulated"``: what runs the hardware's part.

    Raises
    ------
    InputError
        If there is no such paper or device.
    """
    check(name, device)
    paper: Paper = import_module(f"papers.{name}")  # type: ignore[assignment]  # a module's functions are not typed
    return paper.measure(device)


def check(name: str, device: str) -> None:
    """Refuse what does not exist, before anything takes minutes.

    Raises
    ------
    InputError
        If there is no such paper or device.
    """
    if name not in PAPERS:
        raise InputError(f"no paper {name!r}; choose from {', '.join(PAPERS)}")
    seedloom.find_device(device)


def beforehand(name: str) -> str:
    """What a run is about and takes, in lines."""
    listed = PAPERS[name]
    claims = "".join(f"  {claim.statement} ({claim.source}, {claim.mark})\n" for claim in listed.claims.values())
    return f"{listed.title}, arXiv {listed.arxiv}; about {listed.minutes} minutes on one core. It claims:\n{claims}"


def verdicts(name: str, report: Report) -> Mapping[str, str]:
    """The verdict on each claim, by its key."""
    return {key: verdict(claim, report.findings[key]) for key, claim in PAPERS[name].claims.items()}


def shown(name: str, report: Report) -> str:
    """The claims' table, all other figures, and the page that explains them."""
    figures = "".join(f"{figure}: {value}\n" for figure, value in report.figures.items())
    return f"{table({name: report})}\n{figures}\nMore in docs/papers/{name}.md"


def paper(
    name: Annotated[str, typer.Argument(help=f"Paper: one of {', '.join(PAPERS)}.")],
    device: Annotated[
        str, typer.Option(help=f"Device for the hardware's part: {', '.join(seedloom.device_names())}.")
    ] = "simulated",
    as_json: Json = False,
) -> None:
    """Run a paper's method and hold its claims against what is found."""
    check(name, device)
    typer.echo(beforehand(name), err=True)
    report = measure(name, device)
    if as_json:
        fields = {"claims": {key: asdict(claim) for key, claim in PAPERS[name].claims.items()}}
        fields |= {"verdicts": dict(verdicts(name, report))} | json.loads(report.json())
        typer.echo(json.dumps(fields, indent=2, ensure_ascii=False))
    else:
        typer.echo(shown(name, report))
