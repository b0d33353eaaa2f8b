"""A serial line in virtual time that damages, loses, repeats and delays what it carries."""

import heapq
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import floor, inf, log
from random import Random


@dataclass(frozen=True)
class LineFaults:
    """What a line does to the bytes.

    Parameters
    ----------
    byte_errors
        Share of the bytes of which a bit flips.
    lost, repeated, delayed
        Shares of the packets that never arrive, arrive twice, and arrive after later ones.
    """

    byte_errors: float = 0.0
    lost: float = 0.0
    repeated: float = 0.0
    delayed: float = 0.0


class VirtualLine:
    """Both directions of a line, with a device at the far end that answers at once.

    Parameters
    ----------
    device
        Takes bytes, gives packets.
    faults
        Of either direction.
    baud
        10 bits make a byte.
    latency
        Seconds that bytes wait on their way to the host, as in a USB chip.
    random
        Where faults draw from.
    """

    def __init__(
        self,
        device: Callable[[bytes], list[bytes]],
        faults: LineFaults,
        random: Random,
        baud: int = 3_000_000,
        latency: float = 0.001,
    ) -> None:
        self._device, self._faults, self._random = device, faults, random
        self.name, self.seconds_an_octet, self._latency = "a virtual line", 10 / baud, latency
        self.now = self._up_free = self._down_free = 0.0
        self._up: list[tuple[float, int, bytes]] = []
        self._down: list[tuple[float, int, bytes]] = []
        self._order = 0

    def clock(self) -> float:
        """Virtual seconds."""
        return self.now

    def write(self, octets: bytes) -> None:
        """Bytes on their way to the device."""
        for part in _packets(octets):
            self._up_free = max(self._up_free, self.now) + len(part) * self.seconds_an_octet
            self._put(self._up, self._up_free, part)

    def read(self, seconds: float) -> bytes:
        """The next bytes for the host; time goes on to when they come, or by ``seconds``."""
        until = self.now + seconds
        while self._up and self._up[0][0] <= (min(until, self._down[0][0]) if self._down else until):
            time, _, part = heapq.heappop(self._up)
            for answer in self._device(part):
                self._down_free = max(self._down_free, time) + len(answer) * self.seconds_an_octet
                self._put(self._down, self._down_free + self._latency, answer)
        if self._down and self._down[0][0] <= until:
            self.now, _, octets = heapq.heappop(self._down)
            return octets
        self.now = until
        return b""

    def close(self) -> None:
        """What is on its way is lost."""
        self._up, self._down = [], []

    def _put(self, queue: list[tuple[float, int, bytes]], time: float, octets: bytes) -> None:
        faults, random = self._faults, self._random
        copies = 0 if random.random() < faults.lost else 1 + (random.random() < faults.repeated)
        for _ in range(copies):
            late = random.random() * 0.01 if random.random() < faults.delayed else 0.0
            self._order += 1
            heapq.heappush(queue, (time + late, self._order, self._damaged(octets)))

    def _damaged(self, octets: bytes) -> bytes:
        """Flip a bit of each byte that is hit."""
        changed, place = bytearray(octets), self._gap()
        while place < len(changed):
            changed[int(place)] ^= 1 << self._random.randrange(8)
            place += 1 + self._gap()
        return bytes(changed)

    def _gap(self) -> float:
        """Bytes before the next that is hit."""
        errors = self._faults.byte_errors
        return floor(log(1 - self._random.random()) / log(1 - errors)) if errors else inf


def _packets(octets: bytes) -> list[bytes]:
    return re.findall(rb"\0[^\0]+\0|.+", octets, re.DOTALL)
