"""``seedloom bench link``: round trips and rates of a serial link, to a board or a simulated one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from formats.errors import InputError
from sw_runtime.json_files import figures_text

if TYPE_CHECKING:
    from sw_runtime.device.link.channel import Channel
    from sw_runtime.device.link.lines import SerialPort

T = TypeVar("T")
PREFIX = "serial:"
TERMINAL = "serial:pty"
ROUND_TRIPS = 50
SIMULATED_SILENCE_SECONDS = 60.0
"""A simulated board on a busy machine takes its time."""


@dataclass(frozen=True)
class LinkBenchmark:
    """What a link reaches, in seconds of this machine's clock.

    ``share_of_line`` is the share of the sent bytes that were the upload's own; ``exact``: what was read is what
    was written.
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
    latency_milliseconds: int | None


def measure_link(device: str, baud: int, size: int) -> tuple[LinkBenchmark, str]:
    """Write and read ``size`` bytes at address 0; returns the figures, and advice on the port if it needs some.

    Raises
    ------
    InputError
        If the device is no serial one, or the size no multiple of 4.
    DependencyError
        If a package of the extra ``board`` is missing.
    DeviceError
        If the device does not answer or refuses.
    """
    if not device.startswith(PREFIX):
        raise InputError(f"a link is measured to {TERMINAL} or serial:PATH of a port, not {device!r}")
    if size < 4 or size % 4:
        raise InputError(f"size must be a multiple of 4 bytes, not {size!r}")
    from random import Random

    from formats.board_requests import Opcode, request_words
    from sw_runtime.device.link.memory import BoardMemory

    octets = Random(size).randbytes(size)
    with _opened(device, baud) as (channel, port):
        trips = [_seconds(lambda: channel.ask(request_words(Opcode.IDENTIFY)))[1] for _ in range(ROUND_TRIPS)]
        board, written = BoardMemory(channel), channel.written_octets
        sent, upload = _seconds(lambda: board.upload(0, octets))
        share = sent / (channel.written_octets - written)
        read, reading = _seconds(lambda: board.read(0, size // 4))
        measured = LinkBenchmark(
            **asdict(channel.welcome),
            round_trip_milliseconds=1e3 * median(trips),
            upload_bytes_per_second=sent / upload,
            read_bytes_per_second=size / reading,
            share_of_line=share,
            repeats=channel.repeats,
            exact=read == octets,
            latency_milliseconds=port.latency_ms,
        )
        return measured, port.advice


@contextmanager
def _opened(device: str, baud: int) -> "Iterator[tuple[Channel, SerialPort]]":
    """A channel to the device, and its port."""
    from sw_runtime.device.link.channel import Channel
    from sw_runtime.device.link.lines import SerialPort
    from sw_runtime.device.link.session import SILENCE_SECONDS
    from sw_runtime.device.simulator.terminal import TerminalBoard, memory_board

    simulated = TerminalBoard(memory_board()) if device == TERMINAL else None
    try:
        port = SerialPort(simulated.path if simulated else device.removeprefix(PREFIX), baud)
        silence = SIMULATED_SILENCE_SECONDS if simulated else SILENCE_SECONDS
        with Channel(lambda: port, silence) as channel:
            yield channel, port
    finally:
        if simulated:
            simulated.close()


def _seconds(work: Callable[[], T]) -> tuple[T, float]:
    """What work gives, and how long it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def link(
    device: Annotated[str, typer.Option(help="serial:pty, a simulated board, or serial:PATH of a port.")] = TERMINAL,
    baud: Annotated[int, typer.Option(help="Bits a second of a real port.")] = 3_000_000,
    size: Annotated[int, typer.Option(help="Bytes to write and read; the board's memory is overwritten.")] = 1 << 15,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure a serial link: round trips, upload and read, every byte compared."""
    measured, advice = measure_link(device, baud, size)
    if as_json:
        typer.echo(figures_text(asdict(measured)))
        return
    typer.echo(f"window of {measured.window} requests of {measured.words} words, build {measured.build:08x}")
    typer.echo(f"round trip   {measured.round_trip_milliseconds:10.2f} ms")
    typer.echo(
        f"upload       {measured.upload_bytes_per_second / 1e3:10.1f} kB/s, {measured.share_of_line:.1%} of the line"
    )
    typer.echo(f"read         {measured.read_bytes_per_second / 1e3:10.1f} kB/s")
    typer.echo(f"sent again   {measured.repeats:10} packets")
    typer.echo(f"what was read is what was written: {'yes' if measured.exact else 'NO'}")
    if device == TERMINAL:
        typer.echo("the board is simulated: seconds are those of the simulator")
    if advice:
        typer.echo(advice)
