"""``python -m synth``: measure designs and write the tables of docs/hardware.md."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Never

import typer
from tqdm import tqdm

from formats.command_line import OneLineErrors
from formats.errors import InputError
from synth import baseline
from synth.boards import BOARDS, REFERENCE, Board
from synth.designs import DESIGNS, ECP5_MULTIPLIER_BITS, XC7_MULTIPLIER_BITS, Design
from synth.flow import SEEDS, Flow
from synth.tables import Measurement, ecp5_table, write, xc7_table

app = typer.Typer(rich_markup_mode=None)


def seeds(design: Design) -> tuple[int, ...]:
    """Seeds to place a design with; none where synthesis is all that is wanted."""
    return SEEDS if design.ecp5 and design.placed else ()


def measure(flow: Flow, design: Design, board: Board, progress: "tqdm[Never]") -> Measurement:
    """Run every tool on a design; the bar advances by one a tool run."""

    def step(what: str) -> None:
        progress.update()
        progress.set_postfix_str(f"{design.name}: {what}")

    progress.set_postfix_str(design.name)
    xc7, ecp5, placements = None, None, []
    if design.xc7:
        xc7 = flow.xc7(design.build(XC7_MULTIPLIER_BITS))
        step("7-series synthesised")
    if design.ecp5:
        ecp5 = flow.ecp5(design.build(ECP5_MULTIPLIER_BITS))
        step("ECP5 synthesised")
    for seed in seeds(design):
        placements.append(flow.place(design.build(ECP5_MULTIPLIER_BITS), seed, board))
        step(f"placed, {placements[-1].megahertz:.1f} MHz")
    return Measurement(design, xc7, ecp5, tuple(placements))


def as_json(measurement: Measurement) -> dict[str, object]:
    """A measurement as plain types."""
    return {
        "design": measurement.design.name,
        "lanes": measurement.design.lanes,
        "megahertz": measurement.megahertz,
        "xc7": measurement.xc7 and asdict(measurement.xc7),
        "ecp5": measurement.ecp5 and asdict(measurement.ecp5),
        "placements": [asdict(placement) for placement in measurement.placements],
    }


@app.command(cls=OneLineErrors)
def main(
    designs: Annotated[list[str] | None, typer.Argument(help="Designs to measure; all when none is named.")] = None,
    document: Annotated[Path, typer.Option(help="Document that takes the tables.")] = Path("docs/hardware.md"),
    cache: Annotated[Path, typer.Option(help="Folder of kept results.")] = Path("build/synth"),
    board: Annotated[str, typer.Option(help=f"Board whose ECP5 is placed for: {', '.join(BOARDS)}.")] = REFERENCE.name,
    baseline_file: Annotated[
        Path, typer.Option("--baseline", help="Area and clock that designs had; 5 % worse is an error.")
    ] = baseline.FILE,
    write_baseline: Annotated[bool, typer.Option(help="Put the results into the baseline.")] = False,
    as_json_text: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Area and clock of lanes, engines and routers.

    Tables are printed. A run of all designs for the reference device also writes them into the document. In the
    reference device a design that is 5 % larger or slower than the baseline is an error.
    """
    names = designs or list(DESIGNS)
    unknown = [name for name in names if name not in DESIGNS]
    if unknown:
        raise typer.BadParameter(f"unknown design {unknown[0]!r}; known are {', '.join(map(repr, DESIGNS))}")
    if board not in BOARDS:
        raise typer.BadParameter(f"unknown board {board!r}; known are {', '.join(map(repr, BOARDS))}")
    chosen = [DESIGNS[name] for name in names]
    flow = Flow(cache)
    runs = sum(design.xc7 + design.ecp5 + len(seeds(design)) for design in chosen)
    with tqdm(total=runs, unit="run", desc="synth") as progress:
        measurements = [measure(flow, design, BOARDS[board], progress) for design in chosen]
    tables = f"{ecp5_table(measurements, BOARDS[board])}\n\n{xc7_table(measurements)}"
    print(json.dumps([as_json(m) for m in measurements], indent=2, allow_nan=False) if as_json_text else tables)
    if not designs and board == REFERENCE.name:
        try:
            write(document, tables)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    if board == REFERENCE.name:
        hold_to_baseline(measurements, baseline_file, write_baseline)


def hold_to_baseline(measurements: list[Measurement], file: Path, write: bool) -> None:
    """Say which designs became larger or slower, and fail; or let the measurements be the baseline from now on."""
    try:
        if write:
            baseline.write(measurements, file)
            return
        worse = baseline.regressions(measurements, baseline.read(file))
    except InputError as error:
        raise typer.BadParameter(str(error)) from error
    for line in worse:
        typer.echo(f"error: {line}", err=True)
    if worse:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
