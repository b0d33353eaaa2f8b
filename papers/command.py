"""``seedloom paper``: a paper's method on a real model, beside what the paper reports."""

from importlib import import_module
from typing import Annotated

import typer

import seedloom
from formats.errors import InputError
from papers.report import Paper, Report

PAPERS: tuple[str, ...] = (
    "afm",
    "catlip",
    "ctrlsynth",
    "dynamoe",
    "lazyllm",
    "m2r2",
    "openelm",
    "seedlm",
    "superposition",
    "victor",
)
"""Modules of this package, each a ``Paper``: the only list of them."""


def measure(name: str, device: str = "emulated") -> Report:
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
    if name not in PAPERS:
        raise InputError(f"no paper {name!r}; choose from {', '.join(PAPERS)}")
    seedloom.find_device(device)
    paper: Paper = import_module(f"papers.{name}")  # type: ignore[assignment]  # a module's functions are not typed
    return paper.measure(device)


def paper(
    name: Annotated[str, typer.Argument(help=f"Paper: one of {', '.join(PAPERS)}.")],
    device: Annotated[
        str, typer.Option(help=f"Device for the hardware's part: {', '.join(seedloom.device_names())}.")
    ] = "emulated",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run a paper's method on a real model and compare its results with the paper's."""
    report = measure(name, device)
    typer.echo(report.json() if as_json else report.table())
