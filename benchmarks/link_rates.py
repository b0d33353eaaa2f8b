"""What a serial link carries: the host's code and the device's model on a line in virtual time.

``python benchmarks/link_rates.py`` prints the two tables of ``docs/boards.md``.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import mean

import numpy as np

from formats.board_requests import Opcode
from golden_models.line import LineFaults, VirtualLine
from golden_models.link import LinkModel
from sw_runtime.device.board.memory import upload
from sw_runtime.device.link.channel import LinkChannel

REQUESTS, DEPENDENT, SEEDS = 400, 100, range(1, 11)
UPLOADS = [
    [Opcode.WRITE, 4 * 254 * n, *(0x01020304 * n + place & 0xFFFF_FFFF for place in range(254))]
    for n in range(REQUESTS)
]
SMALL = [Opcode.COUNTERS]
SHORT_OCTETS, SHORT_SEEDS = (2048, 8192, 32768), range(200)
GOOD, BAD = LineFaults(), LineFaults(byte_errors=1e-4, lost=0.01)


@dataclass(frozen=True)
class Rates:
    """Share of the line's rate that uploads reach, packets sent again per request, seconds of a dependent exchange."""

    share: float
    repeats: float
    exchange: float
    answers: Sequence[tuple[int, ...]]


def chained() -> Callable[[Sequence[int]], list[int]]:
    """A core whose answer is a CRC over all words since its start: it tells a lost, repeated or misplaced request."""
    state = 0

    def core(words: Sequence[int]) -> list[int]:
        nonlocal state
        state = zlib.crc32(struct.pack(f"<{len(words)}I", *words), state)
        return [state]

    return core


def measure(faults: LineFaults, baud: int, latency: float, seed: int = 1) -> Rates:
    """Send all uploads as fast as the window allows, then small requests one after the other."""
    device = LinkModel(chained())
    line = VirtualLine(device.receive, faults, Random(seed), baud, latency)
    channel = LinkChannel(lambda: line, clock=line.clock)
    start = line.now
    answers = list(channel.exchange(UPLOADS))
    payload = 4 * sum(len(words) - 2 for words in UPLOADS)
    share, repeats = payload * line.seconds_an_octet / (line.now - start), channel.repeats / REQUESTS
    start = line.now
    answers += [channel.ask(SMALL) for _ in range(DEPENDENT)]
    return Rates(share, repeats, (line.now - start) / DEPENDENT, answers)


def keeping() -> Callable[[Sequence[int]], list[int]]:
    """A core that keeps what is written, and sums it up."""
    memory = np.zeros(max(SHORT_OCTETS), dtype=np.uint8)

    def core(words: Sequence[int]) -> list[int]:
        opcode, address, *data = words
        if opcode == Opcode.CHECKSUM:
            return [opcode, zlib.crc32(memory[address : address + 4 * data[0]].tobytes())]
        memory[address : address + 4 * len(data)] = np.array(data, dtype="<u4").view(np.uint8)
        return [opcode]

    return core


def short_upload(octets: int, faults: LineFaults, baud: int, latency: float, seed: int = 1) -> float:
    """Seconds of an upload with its checksums, before and after."""
    device = LinkModel(keeping())
    line = VirtualLine(device.receive, faults, Random(seed), baud, latency)
    channel, data = LinkChannel(lambda: line, clock=line.clock), np.random.default_rng(octets)
    start = line.now
    upload(channel, 0, data.integers(1, 256, size=octets, dtype=np.uint8))
    return line.now - start


def short_row(baud: int, latency: float) -> str:
    """One line of the table of short uploads: the mean of bad over good, and how many carry less than half."""
    cells = [f"{baud / 1e6:g} M", f"{1e3 * latency:g} ms"]
    for octets in SHORT_OCTETS:
        good = short_upload(octets, GOOD, baud, latency)
        shares = [good / short_upload(octets, BAD, baud, latency, seed) for seed in SHORT_SEEDS]
        cells.append(f"{mean(shares):.0%} / {sum(share < 0.5 for share in shares) / len(shares):.1%}")
    return f"| {' | '.join(cells)} |"


def row(baud: int, latency: float) -> str:
    """One line of the table: a good line, and the worst of the bad ones."""
    good = measure(GOOD, baud, latency)
    bad = [measure(BAD, baud, latency, seed) for seed in SEEDS]
    worst = min(bad, key=lambda rates: rates.share)
    same = all(rates.answers == good.answers for rates in bad)
    cells = (
        f"{baud / 1e6:g} M",
        f"{1e3 * latency:g} ms",
        f"{good.share:.1%}",
        f"{worst.share:.1%}",
        f"{worst.share / good.share:.0%}",
        "yes" if same else "NO",
        f"{worst.repeats:.1%}",
        f"{1e3 * good.exchange:.2f} / {1e3 * worst.exchange:.2f} ms",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(
        "| baud | latency timer | payload on a good line | on a bad one | bad over good | same answers | sent again | "
        "dependent exchange, good / bad |"
    )
    print("|---:|---:|---:|---:|---:|---|---:|---:|")
    for baud in (3_000_000, 12_000_000):
        for latency in (0.001, 0.016):
            print(row(baud, latency))
    print(f"\n| baud | latency timer | {' | '.join(f'{octets:,} bytes' for octets in SHORT_OCTETS)} |")
    print(f"|---:|---:|{'---:|' * len(SHORT_OCTETS)}")
    for baud in (3_000_000, 12_000_000):
        for latency in (0.001, 0.016):
            print(short_row(baud, latency))
