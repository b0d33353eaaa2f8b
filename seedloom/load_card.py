"""``seedloom load-card``: a board's memory from the card in its slot."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from formats.errors import InputError


def load_card(
    device: Annotated[str, typer.Argument(help="serial:PATH or serial:PATH@BAUD; serial:pty for a simulated board.")],
    card: Annotated[
        Path | None, typer.Option(help="File that `seedloom image --sd` wrote: the card of a simulated board.")
    ] = None,
) -> None:
    """Load a board's memory from the memory card in its slot; what it holds then is not sent over the line."""
    from sw_runtime.device.board.card import load_card as loaded
    from sw_runtime.device.board.identity import identify
    from sw_runtime.device.serial_board import TERMINAL, serial_channel
    from sw_runtime.progress import progress_bar

    kind, _, place = device.partition(":")
    if kind != "serial" or not place:
        raise InputError(f"only a board on a serial port has a card slot: serial:/dev/ttyUSB0, not {device!r}")
    if card is None and place.partition(":")[0] == TERMINAL:
        raise InputError("the card of a simulated board is a file: name one with --card")
    octets = None if card is None else _card_octets(card)
    with closing(serial_channel(place, card=octets)) as channel:
        identify(channel)
        with progress_bar(desc="card", unit="B", unit_scale=True, leave=False) as bar:
            for progress in loaded(channel, device):
                bar.total = progress.image_bytes or None
                bar.update(progress.loaded_bytes - bar.n)
        typer.echo(f"{progress.loaded_bytes:,} bytes are in the memory, and their checksum is right")


def _card_octets(card: Path) -> bytes:
    """All of a file that stands for a card.

    Raises
    ------
    InputError
        If it is none, or has no whole blocks.
    """
    from formats.card_image import check_blocks

    remedy = "give a file that `seedloom image --sd` wrote"
    if not card.is_file():
        raise InputError(f"{card} is no file; {remedy}")
    octets = card.read_bytes()
    if not octets:
        raise InputError(f"{card} is empty; {remedy}")
    try:
        check_blocks(octets)
    except InputError as error:
        raise InputError(f"{card}: {error}") from error
    return octets
