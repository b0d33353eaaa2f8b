"""Results kept until the code that made them changes."""

import hashlib
from functools import cache
from pathlib import Path

import grimp

from formats.errors import CheckpointError
from papers import command
from papers.report import Report
from sw_runtime.json_files import read_object
from sw_runtime.whole_files import write_file

ROOMS = ("formats", "golden_models", "hw", "papers", "sw_runtime", "seedloom")
DEVICES = ("sw_runtime.device.emulated", "sw_runtime.device.simulated")
"""Found by their names at run time, so that no import tells of them."""

REMEDY = "delete it to measure again"
"""Of a kept file that is damaged."""

NATIVE = ("*.c", "*.cpp", "*.h")


def sources(name: str) -> list[Path]:
    """Files that a paper's result depends on: what its module and the devices import, and all that is compiled."""
    root = Path(__file__).resolve().parents[1]
    graph = _imports()
    roots = (f"papers.{name}", *DEVICES)
    modules = set(roots).union(*(graph.find_upstream_modules(module) for module in roots))
    files = {path for module in modules for path in _files(root, module)}
    return sorted(files.union(*((root / room).rglob(pattern) for room in ROOMS for pattern in NATIVE)))


@cache
def _imports() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOMS, cache_dir=None)


def _files(root: Path, module: str) -> list[Path]:
    """A module's file: a package's is its ``__init__``."""
    place = root.joinpath(*module.split("."))
    return [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()]


def digest(name: str) -> str:
    """Name of everything in this project that a paper's result depends on."""
    root = Path(__file__).resolve().parents[1]
    found = hashlib.sha256()
    for path in sources(name):
        found.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:16]


def kept_file(name: str, device: str, folder: Path) -> Path:
    """Where a paper's report is kept that these sources made, or will make."""
    return folder / f"{name}-{device}-{digest(name)}.json"


def kept_or_measured(name: str, device: str, folder: Path) -> Report:
    """A paper's report, measured unless the same sources have measured it before."""
    kept = kept_file(name, device, folder)
    if kept.exists():
        fields = read_object(kept, REMEDY)
        try:
            return Report.of(fields)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{kept} is no report of a paper; {REMEDY}") from error
    report = command.measure(name, device)
    folder.mkdir(parents=True, exist_ok=True)
    write_file(kept, report.json())
    return report
