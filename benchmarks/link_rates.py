"""What a serial link carries: the host's code and the device's model on a line in virtual time.

``python benchmarks/link_rates.py`` prints the table of ``docs/boards.md``.
"""

from random import Random

from formats.board_requests import Opcode
from golden_models.line import LineFaults, VirtualLine
from golden_models.link import LinkModel
from sw_runtime.device.link.channel import LinkChannel

REQUESTS, DEPENDENT = 400, 100
WRITE = [Opcode.WRITE, 0, *(0x01020304 + n for n in range(254))]
SMALL = [Opcode.COUNTERS]
LINES = {"good": LineFaults(), "1e-4 byte errors, 1 % of the packets lost": LineFaults(byte_errors=1e-4, lost=0.01)}


def measure(faults: LineFaults, baud: int, latency: float) -> tuple[float, float, float]:
    """Share of the line's rate that uploads reach, packets sent again a request, seconds of a dependent exchange."""
    device = LinkModel(lambda words: [words[0]])
    line = VirtualLine(device.receive, faults, Random(1), baud, latency)
    channel = LinkChannel(lambda: line, clock=line.clock)
    start = line.now
    assert len(list(channel.exchange([WRITE] * REQUESTS))) == REQUESTS
    payload = 4 * (len(WRITE) - 2) * REQUESTS
    share, repeats = payload * line.seconds_an_octet / (line.now - start), channel.repeats / REQUESTS
    start = line.now
    for _ in range(DEPENDENT):
        channel.ask(SMALL)
    return share, repeats, (line.now - start) / DEPENDENT


if __name__ == "__main__":
    print("| line | baud | latency timer | share of the line that is payload | sent again | dependent exchange |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, faults in LINES.items():
        for baud in (3_000_000, 12_000_000):
            for latency in (0.001, 0.016):
                share, repeats, exchange = measure(faults, baud, latency)
                cells = (
                    f"{baud / 1e6:g} M | {1e3 * latency:g} ms | {share:.1%} | {repeats:.1%} | {1e3 * exchange:.2f} ms"
                )
                print(f"| {name} | {cells} |")
