"""``seedloom doctor``: whether everything the project needs is here."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata

import typer
from packaging.requirements import Requirement

from seedloom.options import Json
from seedloom.registration import register
from sw_runtime.device.link.lines import LATENCY_FOLDER, WANTED_LATENCY_MS
from sw_runtime.json_files import figures_text
from sw_runtime.texts.packages import CONTENTS, install, package_folder

MINIMUM_PYTHON = (3, 11)

PROGRAMS = {
    "g++": "compiles the simulator",
    "make": "builds the simulator",
    "perl": "runs verilator",
    "cc": "compiles the search of the compressor",
}
"""Programs of the system that are needed, and what for."""

OPTIONAL_EXTRAS = ("board", "synth")
"""Extras of the package that boards need, and synthesis and proofs, and nothing else."""


@dataclass(frozen=True)
class Check:
    """One thing looked for: what was found, whether it will do, and the remedy if not."""

    name: str
    found: str
    ok: bool
    required: bool
    remedy: str


def _python() -> Check:
    minimum = ".".join(map(str, MINIMUM_PYTHON))
    ok = sys.version_info[:2] >= MINIMUM_PYTHON
    return Check("python", sys.version.split()[0], ok, True, f"install Python {minimum} or later")


def _programs() -> Iterator[Check]:
    for name, purpose in PROGRAMS.items():
        path = shutil.which(name)
        remedy = f"install {name} with the system's package manager (apt install build-essential perl); it {purpose}"
        yield Check(name, path or "not found", path is not None, True, remedy)


def _packages() -> Iterator[Check]:
    """Every dependency the package declares, against the versions it declares."""
    try:
        declared = metadata.requires("seedloom") or []
    except metadata.PackageNotFoundError:
        yield Check("seedloom", "not installed", False, True, "pip install -e . in the project's folder")
        return
    for requirement in map(Requirement, declared):
        marker = requirement.marker
        if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in OPTIONAL_EXTRAS):
            continue
        try:
            found = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            found = "not found"
        ok = found != "not found" and requirement.specifier.contains(found, prereleases=True)
        remedy = f'pip install "{requirement.name}{requirement.specifier}"'
        yield Check(requirement.name, found, ok, marker is None, remedy)


def _optional_packages() -> Iterator[Check]:
    """Packages wanted for the files in them: models and texts of demo, papers and tests."""
    for package, contents in CONTENTS.items():
        ok = package_folder(package) is not None
        yield Check(package, "found" if ok else "not found", ok, False, f"{install(package)}  (for {contents})")


def _registration() -> Check:
    """Packages may be there and still not import."""
    error: ImportError | None = None
    try:
        register()
    except ImportError as failed:
        error = failed
    return Check(
        "transformers quantizer",
        "registered" if error is None else f"not registered ({error})",
        error is None,
        True,
        "install the packages named above; `python -c 'import sw_runtime.nn.quantizer'` shows the whole error",
    )


def _serial_ports() -> Iterator[Check]:
    """How long each port with an FTDI chip keeps what comes."""
    for timer in sorted(LATENCY_FOLDER.glob("*/latency_timer")):
        milliseconds = int(timer.read_text(encoding="utf-8"))
        remedy = f"echo 1 | sudo tee {timer}  (every answer of a board waits for it)"
        found, ok = f"latency of {milliseconds} ms", milliseconds <= WANTED_LATENCY_MS
        yield Check(f"/dev/{timer.parent.name}", found, ok, False, remedy)


def all_checks() -> list[Check]:
    """Everything looked for, in the order printed."""
    return [_python(), *_programs(), *_packages(), _registration(), *_optional_packages(), *_serial_ports()]


def doctor(as_json: Json = False) -> None:
    """Check that all tools and packages are installed; exit code 1 if a required one is missing."""
    checks = all_checks()
    if as_json:
        typer.echo(figures_text([asdict(check) for check in checks]))
    else:
        for check in checks:
            state = "ok" if check.ok else "MISSING" if check.required else "optional"
            typer.echo(f"{state:9}{check.name} {check.found}" + ("" if check.ok else f": {check.remedy}"))
    if not all(check.ok for check in checks if check.required):
        raise typer.Exit(1)
