"""``seedloom release``: a folder of bitstreams, reports and memory images, their hashes, and how to use them."""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from formats.errors import InputError
from seedloom.options import BATCH

if TYPE_CHECKING:
    from sw_runtime.decoder.image.file import Image
    from synth.bitstream.build import Order
    from synth.bitstream.report import Report
    from synth.flow import Flow

COPIED = {"seedloom.bit": ".bit", "seedloom.svf": ".svf", "report.html": "-report.html", "report.json": "-report.json"}
"""What a release has of a bitstream's folder, and how its name ends behind the board's."""

HASHES = "hashes.txt"


def release(
    output: Annotated[Path, typer.Argument(help="New folder to write.")],
    board: Annotated[
        list[str] | None, typer.Option(help="Board, as `make bitstream` calls it; may be repeated.")
    ] = None,
    image: Annotated[
        list[Path] | None, typer.Option(help="A compressed folder whose memory image is added; may be repeated.")
    ] = None,
    weights: Annotated[str, typer.Option("--format", help="Format of the bitstreams' weights.")] = "scaled-4bit",
    memory: Annotated[str, typer.Option(help="The boards' memory, as `seedloom boards` calls it.")] = "",
    clock_mhz: Annotated[float, typer.Option("--mhz", help="Clock, a multiple of 25; 0: the memory's usual one.")] = 0,
    seeds: Annotated[int, typer.Option(help="Placements; the worst must reach the clock.")] = 5,
    decoder: Annotated[
        bool, typer.Option("--decoder", help="A whole decoder instead of an engine: what an image is for.")
    ] = False,
    batch: Annotated[
        int, typer.Option(help="Vectors per pass over the weights, and tokens that an image has read together.")
    ] = BATCH,
    bitstreams: Annotated[Path, typer.Option(help="Takes a folder for each board.")] = Path("build/bitstream"),
    cache: Annotated[Path, typer.Option(help="Folder of the tools' kept results.")] = Path("build/synth"),
) -> None:
    """Make the bitstreams of some boards and the memory images of some models, and put them into one folder."""
    from sw_runtime.disk_errors import check_writable
    from sw_runtime.export.output import whole_output
    from sw_runtime.progress import progress_bar
    from synth.bitstream.build import Order
    from synth.flow import Flow

    if not board:
        raise InputError("a release has at least one board: name it with --board ulx3s-85f")
    orders = [Order(name, weights, memory, clock_mhz, seeds, decoder, batch=batch) for name in dict.fromkeys(board)]
    folders = _by_name(image or [])
    for place in (bitstreams, cache):
        check_writable(place, place)
    steps = sum(order.seeds + 2 for order in orders)
    with whole_output(output) as folder, progress_bar(total=steps, desc="release") as progress:
        folder.mkdir()
        write_images(folder, folders, list(dict.fromkeys(order.memory_name for order in orders)), batch)

        def step(what: str) -> None:
            progress.update()
            progress.set_postfix_str(what)

        reports = write_bitstreams(folder, Flow(cache), orders, bitstreams, step)
        (folder / "README.md").write_text(
            page(reports, sorted(path.name for path in folder.iterdir())), encoding="utf-8"
        )
        (folder / HASHES).write_text(hashes(folder), encoding="utf-8")
    typer.echo(
        f"{output}: {', '.join(order.board for order in orders)}; images: {len(folders)}; `sha256sum -c {HASHES}`"
    )


def _by_name(folders: Sequence[Path]) -> Mapping[str, Path]:
    """Folders by the names that their images get.

    Raises
    ------
    InputError
        If two have the same name.
    """
    named: dict[str, Path] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in named:
            raise InputError(f"{named[name]} and {folder} would have images of one name; rename one of the folders")
        named[name] = folder
    return named


def write_images(folder: Path, models: Mapping[str, Path], memories: Sequence[str], batch: int = BATCH) -> None:
    """An image of every model for every memory, ``batch`` tokens at once.

    Raises
    ------
    InputError, CheckpointError
        If a folder or its model will not do, or a memory does not hold it.
    """
    from seedloom.images import make_image

    for name, model in models.items():
        for memory in memories:
            made: Image = make_image(model, memory, batch=batch)
            made.save(folder / f"{name}-{memory}.img")


def write_bitstreams(
    folder: Path, flow: "Flow", orders: Sequence["Order"], bitstreams: Path, step: Callable[[str], None]
) -> list["Report"]:
    """The bitstreams and their reports, made where `make bitstream` makes them.

    Raises
    ------
    DependencyError, DeviceError
        As ``synth.bitstream.build.make``.
    """
    from synth.bitstream.build import make

    reports = []
    for order in orders:
        made = bitstreams / order.board
        reports.append(make(flow, order, made, step))
        for name, ending in COPIED.items():
            shutil.copyfile(made / name, folder / f"{order.board}{ending}")
    return reports


def hashes(folder: Path) -> str:
    """SHA-256 of all files, as ``sha256sum`` writes them."""
    lines = []
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    return "".join(lines)


def page(reports: Sequence["Report"], names: Sequence[str]) -> str:
    """What a release holds and how a board is programmed, as Markdown."""
    import seedloom
    from synth.bitstream.targets import target

    images = [name for name in names if name.endswith(".img")]
    lines = [
        f"# seedloom {seedloom.__version__}, build {reports[0].build:08x}",
        "",
        "Nothing here was tried on a board. Clocks are routed, and the delays at the pins are not in them.",
        "",
        "| board | device | memory | weights | clock | worst placement | program it |",
        "|---|---|---|---|---:|---:|---|",
    ]
    for report in reports:
        command = f"`openFPGALoader --board {target(report.board).loader} {report.board}.bit`"
        clocks = f"{report.clock_mhz:g} MHz | {report.worst.megahertz:.1f} MHz"
        lines.append(f"| {report.board} | {report.part} | {report.memory} | {report.format} | {clocks} | {command} |")
    lines += [
        "",
        "A bitstream is gone with the power; `--write-flash` keeps it. `BOARD-report.html` says what was routed, and "
        "`BOARD.svf` is the same bitstream for JTAG programmers.",
        "",
        "```",
        f"sha256sum -c {HASHES}                            # every file is as it was made",
        f"seedloom selftest serial:/dev/ttyUSB0@{reports[0].baud}  # link, memory and engine, part by part",
        "```",
        "",
        "The host's seedloom must be of the same build: a board of other sources is refused.",
    ]
    if images:
        told = "Memory images, each for a whole decoder with the memory at the end of its name"
        lines += ["", f"{told} (`seedloom image --show FILE`):", ""]
        lines += [f"* `{name}`" for name in images]
    return "\n".join(lines) + "\n"
