"""``seedloom program``: load a bitstream into a board."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from formats.errors import DependencyError, DeviceError, InputError

LOADER = "openFPGALoader"


def program(
    board: Annotated[str, typer.Argument(help="The board, as `make bitstream` calls it: ulx3s-85f.")],
    folder: Annotated[Path, typer.Option(help="Where `make bitstream` puts its boards' folders.")] = Path(
        "build/bitstream"
    ),
    flash: Annotated[
        bool, typer.Option("--flash", help="Write the flash memory, which the board starts from.")
    ] = False,
) -> None:
    """Load a bitstream into a board over USB, with openFPGALoader. It is gone when the power is, unless --flash."""
    from synth.bitstream.build import HASHES
    from synth.bitstream.targets import target

    loader = target(board).loader
    bitstream = folder / board / "seedloom.bit"
    if not bitstream.exists():
        raise InputError(f"{bitstream} does not exist; make bitstream BOARD={board} makes it")
    _check_hash(bitstream, bitstream.with_name(HASHES))
    tool = shutil.which(LOADER)
    if tool is None:
        raise DependencyError(
            f"{LOADER} is not on the path; install it with the system's package manager (apt install openfpgaloader)"
        )
    command = [tool, "--board", loader, *(["--write-flash"] if flash else []), str(bitstream)]
    if subprocess.run(command, check=False).returncode:
        raise DeviceError(f"{LOADER} failed, its own words are above; is {board} connected, and may you use its port?")
    typer.echo(f"{board} runs {bitstream}")


def _check_hash(bitstream: Path, hashes: Path) -> None:
    """Refuse a bitstream that is not what was written with the list of hashes beside it; without a list all will do.

    Raises
    ------
    InputError
        If its hash is another, or not in the list.
    """
    if not hashes.exists():
        return
    line = f"{hashlib.sha256(bitstream.read_bytes()).hexdigest()}  {bitstream.name}"
    if line not in hashes.read_text(encoding="utf-8", errors="replace").splitlines():
        raise InputError(
            f"{bitstream} is not what {hashes} lists: it is damaged, or of another run; "
            f"make bitstream BOARD={bitstream.parent.name} makes it again"
        )
