"""``seedloom image``: a compressed model as the bytes of a board's memory."""

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from formats.arguments import check_integers, check_types
from formats.card_image import MAGIC, WORD_BYTES, memory_octets
from formats.engine import BATCHES
from formats.errors import CheckpointError, InputError
from formats.plurals import number_of
from seedloom.options import BATCH, KV_BITS

if TYPE_CHECKING:
    from sw_runtime.decoder.image.file import Image

LINE = "{:<10} {:>12} {:>14}  {}"


def image(
    folder: Annotated[Path | None, typer.Argument(help="A folder that `seedloom compress` wrote.")] = None,
    board: Annotated[str | None, typer.Option(help="Board whose memory the image is for.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write.")] = None,
    kv_bits: Annotated[
        int | None, typer.Option(help="Bits of a cached key's or value's element, 8 or 16; default: 16.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Tokens of a prompt that the board reads together, 1 to 16; default: 1.")
    ] = None,
    card: Annotated[bool, typer.Option("--sd", help="Write what a memory card for the board's slot holds.")] = False,
    show: Annotated[Path | None, typer.Option(help="Print the map of an image instead of writing one.")] = None,
) -> None:
    """Write a model's program, weights and constants as they lie in a board's memory.

    Boards run such an image (`seedloom generate --whole-decoder`), simulated or on a serial port.
    """
    from sw_runtime.device.board.card import check_slot
    from sw_runtime.export.output import check_output

    if show is not None:
        options = {"folder": folder, "--board": board, "--output": output, "--kv-bits": kv_bits, "--batch": batch}
        options["--sd"] = card or None
        for option, given in options.items():
            if given is not None:
                raise InputError(f"--show prints an image that is there and writes none; leave out {option}")
        _show(show)
        return
    if folder is None or board is None or output is None:
        raise InputError("an image needs a folder, --board and --output; or give --show and an image")
    if card:
        check_slot(board)
    check_output(output)
    made = make_image(folder, board, KV_BITS if kv_bits is None else kv_bits, BATCH if batch is None else batch)
    if card:
        made.save_card(output)
    else:
        made.save(output)
    _print_map(made)


def make_image(folder: str | Path, board: str, kv_bits: int = KV_BITS, batch: int = BATCH) -> "Image":
    """The image of a compressed folder, its context as long as the board's memory allows.

    A board that runs it reads ``batch`` tokens of a prompt together, 1 to 16.

    Raises
    ------
    InputError, CheckpointError
        If the folder, its model or the board will not do; before any work, if the weights alone do not fit.
    """
    from hw.board.boards import find_board
    from seedloom.api import load
    from seedloom.whole_decoder import compiled
    from sw_runtime.decoder.compiler import check_kv_bits
    from sw_runtime.decoder.image.file import Image
    from sw_runtime.decoder.image.memory_map import check_weights
    from sw_runtime.device.protocol import MatrixShape
    from sw_runtime.nn.folder import describe

    check_types(folder=(folder, str | Path))
    check_integers(batch=(batch, BATCHES))
    folder, chosen = Path(folder), find_board(board)
    check_kv_bits(kv_bits)
    check_weights(chosen, [MatrixShape(layer.format, layer.rows, layer.columns) for layer in describe(folder).layers])
    model, _ = load(folder)
    return Image.of(*compiled(model, chosen, kv_bits, batch=batch), chosen, batch=batch)


def _show(path: Path) -> None:
    """Print what a file of either kind holds."""
    from sw_runtime.decoder.image.file import Image

    if not _is_card(path):
        _print_map(Image.load(path))
        return
    try:
        memory = memory_octets(path.read_bytes())
    except InputError as error:
        raise CheckpointError(f"{path}: {error}") from error
    typer.echo(f"memory card: {len(memory):,} bytes of memory, SHA-256 {sha256(memory).hexdigest()}")


def _is_card(path: Path) -> bool:
    if not path.is_file():  # a pipe would be waited for
        return False
    with path.open("rb") as file:
        return int.from_bytes(file.read(WORD_BYTES), "little") == MAGIC


def _print_map(image: "Image") -> None:
    contents = image.contents
    typer.echo(
        f"{contents.board}, {contents.memory_bytes:,} bytes: context {contents.context:,}, keys and values of "
        f"{contents.kv_bits} bits, {', '.join(contents.formats)}; {number_of(contents.batch, 'token')} at once; "
        f"version {contents.version}"
    )
    typer.echo(LINE.format("area", "address", "bytes", "SHA-256"))
    for area in contents.areas:
        typer.echo(LINE.format(area.name, f"{area.address:#x}", f"{area.nbytes:,}", area.sha256 or "not in the image"))
