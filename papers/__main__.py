"""``python -m papers``: every paper's demonstration, and their one table, docs/papers/results.md."""

import hashlib
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

import seedloom
from papers import command
from papers.report import Figure, Report
from sw_runtime.json_files import read_object

ROOMS = ("formats", "golden_models", "hw", "papers", "sw_runtime", "seedloom")
SOURCES = ("*.py", "*.c", "*.cpp", "*.h")

HEAD = """# What each paper's method does here

Made by `make papers`. "Ours" is measured on the model and data named beside it, far smaller than the papers'; a paper's
own figure carries its mark: *as reported* (read in the paper or its code), *second-hand* (another's account of it),
*unverified* (recollected), *derived* (computed from its shapes). Each line's command is `seedloom paper NAME`.

| paper | figure | ours | the paper's | mark | scale of ours | device | command |
|---|---|---:|---:|---|---|---|---|
"""

app = typer.Typer(rich_markup_mode=None)


def sources_digest() -> str:
    """Name of everything a result depends on in this project: it changes with any source file."""
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(path for room in ROOMS for pattern in SOURCES for path in (root / room).rglob(pattern)):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def kept_or_measured(name: str, device: str, cache: Path) -> Report:
    """A paper's report, measured unless the same sources have measured it before."""
    kept = cache / f"{name}-{device}-{sources_digest()}.json"
    if kept.exists():
        fields = read_object(kept, "delete it to measure again")
        return Report(**fields | {"figures": [Figure(**figure) for figure in fields["figures"]]})
    report = command.measure(name, device)
    cache.mkdir(parents=True, exist_ok=True)
    temporary = kept.with_suffix(".tmp")
    temporary.write_text(report.json(), encoding="utf-8")
    temporary.replace(kept)
    return report


def rows(name: str, report: Report) -> str:
    """A report's lines of the table."""
    return "".join(
        f"| {report.paper} | {figure.name} | {figure.value} | {figure.paper or ''} | {figure.mark or ''} "
        f"| {report.scale} | {report.device} | `{name}` |\n"
        for figure in report.figures
    )


@app.command()
def main(
    device: Annotated[str, typer.Option(help=f"One of {', '.join(seedloom.device_names())}.")] = "emulated",
    document: Annotated[Path, typer.Option(help="Document to write.")] = Path("docs/papers/results.md"),
    cache: Annotated[Path, typer.Option(help="Folder of kept results.")] = Path("build/papers"),
) -> None:
    """Measure every paper, minutes each, and write their table; what is measured is kept until a source changes."""
    table = HEAD
    with tqdm(command.PAPERS, desc="papers", unit="paper") as progress:
        for name in progress:
            progress.set_postfix_str(name)
            table += rows(name, kept_or_measured(name, device, cache))
    document.write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    app()
