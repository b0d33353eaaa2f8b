"""Channels over a virtual line to a memory, and what they are asked."""

from collections.abc import Sequence
from random import Random

from formats.board_requests import Opcode, request_words
from formats.errors import DeviceError
from golden_models.line import LineFaults, VirtualLine
from golden_models.link import LinkModel
from sw_runtime.device.link.channel import LinkChannel
from tests.hw.link.memory_model import MemoryModel

MEMORY_WORDS = 64


class Bench:
    """A device with a memory, and the line to it.

    Parameters
    ----------
    faults
        Of the line.
    seed
        Of the faults.
    words, window
        Of the memory and of the device's link.
    line
        Further options of the line.
    """

    def __init__(
        self,
        faults: LineFaults | None = None,
        seed: int = 1,
        words: int = MEMORY_WORDS,
        window: int = 4,
        **line: float,
    ) -> None:
        self.name = "/dev/ttyUSB9"
        self.core = MemoryModel(words)
        self.device = LinkModel(self.core, window=window)
        self.random = Random(seed)
        self.line = VirtualLine(lambda octets: self.device.receive(octets), faults or LineFaults(), self.random, **line)
        self.breaks_after: int | None = None
        self.calls = 0

    def channel(self) -> LinkChannel:
        """A new session."""
        return LinkChannel(lambda: self, clock=self.line.clock)

    @property
    def seconds_an_octet(self) -> float:
        return self.line.seconds_an_octet

    def read(self, seconds: float) -> bytes:
        self._call()
        return self.line.read(seconds)

    def write(self, octets: bytes) -> None:
        self._call()
        self.line.write(octets)

    def close(self) -> None:
        self.line.close()

    def reset_device(self) -> None:
        """Take the device's power away and give it back."""
        self.core = MemoryModel(MEMORY_WORDS)
        self.device = LinkModel(self.core)

    def _call(self) -> None:
        self.calls += 1
        if self.breaks_after is not None and self.calls > self.breaks_after:
            self.breaks_after = None
            raise DeviceError("the line is gone")


def requests(count: int, seed: int = 3) -> list[list[int]]:
    """Requests whose answers depend on all before them."""
    random, made = Random(seed), []
    for _ in range(count):
        address = 4 * random.randrange(MEMORY_WORDS - 8)
        made.append(
            random.choice(
                (
                    request_words(Opcode.WRITE, address, data=[random.getrandbits(32) for _ in range(8)]),
                    request_words(Opcode.READ, address, 8),
                    request_words(Opcode.CHECKSUM, 0, MEMORY_WORDS),
                    request_words(Opcode.COUNTERS),
                )
            )
        )
    return made


def answers(asked: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """What a memory answers that gets each request once and in order."""
    core = MemoryModel(MEMORY_WORDS)
    return [tuple(core(words)) for words in asked]
