"""Tries a device part by part: its link, memory, engine, router and clock."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

import numpy as np
import torch

from formats.board_requests import WORD_BYTES, Opcode, answer_of, request_words
from formats.errors import DeviceError
from sw_runtime.device.board.channel import Channel
from sw_runtime.device.board.identity import Identity, identify
from sw_runtime.device.board.memory import download, upload
from sw_runtime.device.board.transport import BoardTransport
from sw_runtime.device.board.workspace import Workspace
from sw_runtime.device.link.channel import LinkChannel
from sw_runtime.device.protocol import Device
from sw_runtime.device.random_matrices import random_activations, random_matrix
from sw_runtime.routing.selection import keep_top

ROUND_TRIPS = 20
UPLOAD_BYTES, SIMULATED_UPLOAD_BYTES = 1 << 16, 1 << 11
"""What a link's rate is measured with."""

ROWS, COLUMNS, VECTORS = 64, 100, 2
"""Of the engine's products."""

TOKENS, KEPT = 200, 37
"""Of the router's choice."""

CLOCK_CYCLES, CLOCK_RUNS = 1 << 25, 3
"""Of the products that a clock is measured with, about, and how often."""

CLOCK_ERROR = 0.05
"""A link's delays come and go in between."""


class Outcome(StrEnum):
    """How a check ended, as it is printed."""

    PASSED = "ok"
    FAILED = "FAILED"
    ABSENT = "none"


@dataclass(frozen=True)
class Check:
    """A part of a device and what was found.

    Parameters
    ----------
    part
        Its name.
    outcome
        How it ended; a part that the device lacks is no failure.
    found
        Figures, or what is wrong.
    """

    part: str
    outcome: Outcome
    found: str


Result = tuple[Outcome, str]


def selftest(device: Device, clock: Callable[[], float] = time.perf_counter) -> Iterator[Check]:
    """Try each part of a device in turn; the first bytes of a board's memory, and some others, are overwritten.

    Parameters
    ----------
    device
        Of any kind, with nothing loaded.
    clock
        The host's, in seconds.
    """
    transport = getattr(device, "transport", None)
    channel = transport.channel if isinstance(transport, BoardTransport) else None
    parts: dict[str, Callable[[], Result]] = {
        "link": lambda: _link(channel, clock),
        "memory": lambda: _memory(channel),
        "engine": lambda: _engine(device),
        "router": lambda: _router(device),
        "clock": lambda: _clock(channel, clock),
    }
    for part, check in parts.items():
        try:
            yield Check(part, *check())
        except DeviceError as error:
            yield Check(part, Outcome.FAILED, str(error))


def _judged(right: bool, found: str, wrong: str) -> Result:
    return (Outcome.PASSED, found) if right else (Outcome.FAILED, wrong)


def _link(channel: Channel | None, clock: Callable[[], float]) -> Result:
    """The same answer to the same request, again and again; bytes there and back."""
    if not isinstance(channel, LinkChannel):
        return Outcome.ABSENT, "the device is simulated in this program"
    trips, answers = [], set()
    for _ in range(ROUND_TRIPS):
        start = clock()
        answers.add(channel.ask(request_words(Opcode.IDENTIFY)))
        trips.append(clock() - start)
    size = UPLOAD_BYTES if channel.real_time else SIMULATED_UPLOAD_BYTES
    octets = np.frombuffer(np.random.default_rng().bytes(size), dtype=np.uint8)
    start = clock()
    sent = upload(channel, 0, octets)
    uploaded = clock()
    read = download(channel, 0, size // WORD_BYTES)
    up, down = sent / (uploaded - start), size / (clock() - uploaded)
    return _judged(
        len(answers) == 1 and bool((read == octets).all()),
        f"{1e3 * median(trips):.2f} ms a round trip, {up / 1e3:.1f} kB/s there and {down / 1e3:.1f} kB/s back, "
        f"{channel.repeats} packets sent again, build {channel.welcome.build:08x}",
        f"{len(answers)} different answers to one request, {int((read != octets).sum())} of {size} bytes wrong",
    )


def _memory(channel: Channel | None) -> Result:
    """Each data line and each address line by itself, and a random block against the board's checksum of it."""
    if channel is None:
        return Outcome.ABSENT, "the host's memory is the device's"
    size = identify(channel).memory_bytes
    lines = np.array([1 << bit for bit in range(32)], dtype="<u4")
    block = np.concatenate([lines, ~lines, np.random.default_rng().integers(1 << 32, size=448, dtype="<u4")])
    upload(channel, 0, block.view(np.uint8))
    wrong_data = int((download(channel, 0, len(block)).view("<u4") != block).sum())
    addresses = [WORD_BYTES << bit for bit in range((size // WORD_BYTES - 1).bit_length())]
    marks = {address: 0x5EED_0000 | place for place, address in enumerate((0, *addresses))}
    for response in channel.exchange(request_words(Opcode.WRITE, each, data=[mark]) for each, mark in marks.items()):
        answer_of(Opcode.WRITE, response)
    read = channel.exchange(request_words(Opcode.READ, address, 1) for address in marks)
    found = [answer_of(Opcode.READ, response)[1][0] for response in read]
    wrong = [hex(address) for address, word in zip(marks, found, strict=True) if word != marks[address]]
    return _judged(
        not wrong and not wrong_data,
        f"{size:,} bytes; {len(lines)} data lines, {len(addresses)} address lines, {block.nbytes:,} bytes by checksum",
        f"{wrong_data} of {len(block)} words wrong, and those at {', '.join(wrong) or 'no other address'}",
    )


def _engine(device: Device) -> Result:
    """A product of each format against the host's."""
    info, wrong = device.info(), []
    activations = random_activations(VECTORS, COLUMNS, info.activation_bits)
    for name in info.formats:
        matrix = random_matrix(name, ROWS, COLUMNS)
        handle = device.load(matrix)
        if not torch.equal(device.matvec(handle, activations), activations @ matrix.integers().long().T):
            wrong.append(name)
        device.unload(handle)
    size = f"{ROWS} x {COLUMNS}, {VECTORS} vectors"
    return _judged(
        not wrong,
        f"{', '.join(info.formats)}: products of {size} equal the host's",
        f"products of {size} in {', '.join(wrong)} differ from the host's",
    )


def _router(device: Device) -> Result:
    """A choice of tokens against the host's."""
    if device.info().router is None:
        return Outcome.ABSENT, "the host chooses tokens"
    scores = torch.randperm(TOKENS, generator=torch.Generator().manual_seed(2))
    right = torch.equal(keep_top(device, scores, keep=KEPT), scores >= TOKENS - KEPT)
    what = f"the best {KEPT} of {TOKENS} tokens"
    return _judged(right, f"{what} are those that the host finds", f"{what} differ from those that the host finds")


def _clock(channel: Channel | None, clock: Callable[[], float]) -> Result:
    """Cycles that the device counts over seconds that the host does."""
    if channel is None or not channel.real_time:
        return Outcome.ABSENT, "the device is simulated, and its cycles with it"
    board = identify(channel)
    product = _long_product(board)
    rates = []
    for _ in range(CLOCK_RUNS):
        start = clock()
        identify(channel)
        answered = clock()
        ((fields, _),) = (answer_of(Opcode.PRODUCT, response) for response in channel.exchange([product]))
        rates.append(fields["cycles"] / (clock() - answered - (answered - start)))
    found = f"{median(rates) / 1e6:.1f} MHz by the host's clock, {board.clock_hz / 1e6:.1f} MHz as the board says"
    return _judged(abs(median(rates) / board.clock_hz - 1) < CLOCK_ERROR, found, found)


def _long_product(board: Identity) -> list[int]:
    """A product of whatever weights the memory holds."""
    engine, place = board.engine, Workspace.of(board.engine)
    weight_format = engine.weight_formats[0]
    blocks = weight_format.blocks(engine.maximum_columns)
    cycles_a_group = 2 * blocks * -(-engine.beat_bits(weight_format) // 32)
    most = min(
        engine.row_groups(weight_format, engine.maximum_rows),
        (board.memory_bytes - place.end) // (blocks * engine.port_bytes),
    )
    groups = max(1, min(most, CLOCK_CYCLES // cycles_a_group))
    return request_words(Opcode.PRODUCT, 0, blocks, groups, 1, place.activations, place.end, place.results)
