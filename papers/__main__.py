"""``python -m papers``: every paper's demonstration, and their one table, in docs/papers/results.md and README."""

from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

import seedloom
from papers.claims import PAPERS
from papers.kept import kept_or_measured
from papers.table import document, table, with_table

app = typer.Typer(rich_markup_mode=None)


@app.command()
def main(
    device: Annotated[str, typer.Option(help=f"One of {', '.join(seedloom.device_names())}.")] = "simulated",
    results: Annotated[Path, typer.Option(help="Document to write.")] = Path("docs/papers/results.md"),
    readme: Annotated[Path, typer.Option(help="Document whose table is written anew.")] = Path("README.md"),
    kept: Annotated[Path, typer.Option(help="Folder of kept results.")] = Path("build/papers"),
) -> None:
    """Measure every paper, an hour on one core, and write their table; a result is kept until its code changes."""
    reports = {}
    minutes = sum(listed.minutes for listed in PAPERS.values())
    with tqdm(PAPERS, desc=f"papers, about {minutes} minutes on one core", unit="paper") as progress:
        for name in progress:
            progress.set_postfix_str(name)
            reports[name] = kept_or_measured(name, device, kept)
    results.write_text(document(reports), encoding="utf-8")
    readme.write_text(with_table(readme.read_text(encoding="utf-8"), table(reports)), encoding="utf-8")
    print(table(reports))


if __name__ == "__main__":
    app()
