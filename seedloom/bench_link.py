"""``seedloom bench link``: round trips and rates of a serial link, to a board or a simulated one."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from statistics import median
from typing import Annotated, TypeVar

import typer

from formats.errors import InputError
from seedloom.compared import exit_unless
from seedloom.options import Json
from sw_runtime.json_files import figures_text

T = TypeVar("T")
TERMINAL = "serial:pty"
ROUND_TRIPS = 50


@dataclass(frozen=True)
class LinkBenchmark:
    """What a link reaches, in seconds of this machine's clock.

    ``share_of_line`` is the share of the sent bytes that were the upload's own; ``exact``: what was read is what
    was written; ``real_time``: the board is no simulated one, so seconds are its own.
    """

    window: int
    words: int
    build: int
    round_trip_milliseconds: float
    upload_bytes_per_second: float
    read_bytes_per_second: float
    share_of_line: float
    repeats: int
    exact: bool
    real_time: bool


def measure_link(device: str, size: int) -> LinkBenchmark:
    """Write and read ``size`` bytes at address 0.

    Raises
    ------
    InputError
        If the device is no serial one, or the size no multiple of 4, 0, or more than the board's memory.
    DependencyError
        If a package of the extra ``board`` is missing.
    DeviceError
        If the device does not answer, refuses, or is of another release.
    """
    kind, _, place = device.partition(":")
    if kind != "serial" or not place:
        raise InputError(f"a link is measured to {TERMINAL} or serial:PATH@BAUD of a port, not {device!r}")
    if size < 4 or size % 4:
        raise InputError(f"size must be a multiple of 4 bytes, 4 or more, not {size!r}")
    import numpy as np

    from formats.board_requests import Opcode, request_words
    from sw_runtime.device.board.identity import identify
    from sw_runtime.device.board.memory import download, upload
    from sw_runtime.device.serial_board import serial_channel
    from sw_runtime.progress import progress_bar

    # of another run too: what is there already would not be sent
    octets = np.frombuffer(np.random.default_rng().bytes(size), dtype=np.uint8)
    with closing(serial_channel(place)) as channel:
        memory_bytes = identify(channel).memory_bytes
        if size > memory_bytes:
            raise InputError(f"size must be {memory_bytes:,} bytes or less, what the board's memory has, not {size:,}")
        trips = [_seconds(lambda: channel.ask(request_words(Opcode.IDENTIFY)))[1] for _ in range(ROUND_TRIPS)]
        written = channel.written_octets
        with progress_bar(total=2 * size, desc="link", unit="B", unit_scale=True, leave=False) as bar:
            sent, uploading = _seconds(lambda: upload(channel, 0, octets, bar.update))
            share = sent / (channel.written_octets - written)
            read, reading = _seconds(lambda: download(channel, 0, size // 4, bar.update))
        return LinkBenchmark(
            **asdict(channel.welcome),
            round_trip_milliseconds=1e3 * median(trips),
            upload_bytes_per_second=sent / uploading,
            read_bytes_per_second=size / reading,
            share_of_line=share,
            repeats=channel.repeats,
            exact=bool((read == octets).all()),
            real_time=channel.real_time,
        )


def _seconds(work: Callable[[], T]) -> tuple[T, float]:
    """What work gives, and how long it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def link(
    device: Annotated[
        str, typer.Option(help="serial:pty, a simulated board, or serial:PATH@BAUD of a port, 3000000 where not given.")
    ] = TERMINAL,
    size: Annotated[int, typer.Option(help="Bytes to write and read; the board's memory is overwritten.")] = 1 << 15,
    as_json: Json = False,
) -> None:
    """Measure a serial link: round trips, upload and read, every byte compared."""
    measured = measure_link(device, size)
    if as_json:
        typer.echo(figures_text(asdict(measured)))
        exit_unless(measured.exact)
        return
    typer.echo(f"window of {measured.window} requests of {measured.words} words, build {measured.build:08x}")
    typer.echo(f"round trip   {measured.round_trip_milliseconds:10.2f} ms")
    typer.echo(
        f"upload       {measured.upload_bytes_per_second / 1e3:10.1f} kB/s, {measured.share_of_line:.1%} of the line"
    )
    typer.echo(f"read         {measured.read_bytes_per_second / 1e3:10.1f} kB/s")
    typer.echo(f"sent again   {measured.repeats:10} packets")
    typer.echo(f"what was read is what was written: {'yes' if measured.exact else 'NO'}")
    if not measured.real_time:
        typer.echo("the board is simulated: seconds are those of the simulator")
    exit_unless(measured.exact)
