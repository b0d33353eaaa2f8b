"""``python -m papers``: every paper's demonstration, and their one table, in docs/papers/results.md and README."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

import seedloom
from formats.command_line import OneLineErrors
from formats.errors import InputError
from papers.claims import PAPERS
from papers.kept import kept_file, kept_or_measured
from papers.side_by_side import side_by_side
from papers.table import document, table, with_table
from sw_runtime.cores import cores
from sw_runtime.disk_errors import check_writable

app = typer.Typer(rich_markup_mode=None)


@app.command(cls=OneLineErrors)
def main(
    device: Annotated[str, typer.Option(help=f"One of {', '.join(seedloom.device_names())}.")] = "simulated",
    results: Annotated[Path, typer.Option(help="Document to write.")] = Path("docs/papers/results.md"),
    readme: Annotated[Path, typer.Option(help="Document whose table is written anew.")] = Path("README.md"),
    kept: Annotated[Path, typer.Option(help="Folder of kept results.")] = Path("build/papers"),
    jobs: Annotated[int | None, typer.Option(help="Papers at a time; as many as cores when not given.", min=1)] = None,
) -> None:
    """Measure every paper, some at a time, and write their table; a result is kept until its code changes."""
    _check(device, results, readme)
    missing = [name for name in PAPERS if not kept_file(name, device, kept).exists()]
    missing.sort(key=lambda name: PAPERS[name].minutes, reverse=True)  # so that no long one runs alone at the end
    if missing:
        minutes = sum(PAPERS[name].minutes for name in missing)
        typer.echo(f"{len(missing)} papers, about {minutes} minutes of one core; {kept}/NAME.log says more", err=True)
        side_by_side(partial(kept_or_measured, device=device, folder=kept), missing, jobs or cores(), kept)
    reports = {name: kept_or_measured(name, device, kept) for name in PAPERS}
    results.write_text(document(reports), encoding="utf-8")
    readme.write_text(with_table(readme.read_text(encoding="utf-8"), table(reports)), encoding="utf-8")
    print(table(reports))


def _check(device: str, results: Path, readme: Path) -> None:
    """Refuse before an hour's work what could not be measured or written after it.

    Raises
    ------
    InputError
        If there is no such device, or a document cannot be written or has no place for the table.
    """
    seedloom.find_device(device)
    for document_file in (results, readme):
        if document_file.is_dir():
            raise InputError(f"{document_file} is a folder; name the document that takes the table")
        check_writable(document_file.parent, document_file)
    try:
        with_table(readme.read_text(encoding="utf-8"), "")
    except (OSError, UnicodeDecodeError, InputError) as error:
        raise InputError(f"{readme} cannot take the table: {error}") from error


if __name__ == "__main__":
    app()
