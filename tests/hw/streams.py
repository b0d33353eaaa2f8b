"""Drivers and monitors of Amaranth's valid/ready streams.

Everything happens in the low half of the clock: inputs change with the falling edge, and what is
stable thereafter is what the next rising edge acts upon. So one falling edge stands for one cycle,
and no bench depends on the order of events at the rising edge.
"""

from collections.abc import Callable, Sequence
from random import Random

from cocotb.clock import Clock
from cocotb.handle import HierarchyObject, LogicArrayObject, LogicObject
from cocotb.triggers import FallingEdge, ReadOnly

PERIOD = 10

Pattern = Callable[[Random], bool]
"""Whether a stream's partner takes part in this cycle."""

PATTERNS: dict[str, Pattern] = {
    "always": lambda random: True,
    "half": lambda random: random.random() < 1 / 2,
    "rarely": lambda random: random.random() < 1 / 16,
}


async def start(dut: HierarchyObject) -> None:
    """Start the clock and hold reset for two cycles."""
    dut.rst.value = 1
    Clock(dut.clk, PERIOD, unit="ns").start(start_high=False)
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0


class Stream:
    """The signals of one stream.

    Parameters
    ----------
    dut
        The design.
    name
        Name of the stream member.
    """

    def __init__(self, dut: HierarchyObject, name: str) -> None:
        self.name = name
        self.clock: LogicObject = dut.clk
        self.valid: LogicObject = getattr(dut, f"{name}__valid")
        self.ready: LogicObject = getattr(dut, f"{name}__ready")
        self.payload: LogicArrayObject = getattr(dut, f"{name}__payload")
        self.width = len(self.payload)


class Source:
    """Offers payloads; an offer stays until it is taken. Without an offer the payload is noise.

    Parameters
    ----------
    stream
        An input of the design.
    pattern
        In which cycles a fresh payload may be offered.
    random
        Where pattern and noise draw from.
    """

    def __init__(self, stream: Stream, pattern: Pattern, random: Random) -> None:
        self._stream, self._pattern, self._random = stream, pattern, random
        self.cycles: list[int] = []
        self._cycle = 0
        stream.valid.value = 0

    async def send(self, payloads: Sequence[int]) -> None:
        """Hand over all payloads; ``cycles`` keeps when each was taken, counted from the first call."""
        stream = self._stream
        waiting = list(reversed(payloads))
        offered = False
        while waiting:
            await FallingEdge(stream.clock)
            self._cycle += 1
            offered = offered or self._pattern(self._random)
            stream.valid.value = int(offered)
            stream.payload.value = waiting[-1] if offered else self._random.getrandbits(stream.width)
            await ReadOnly()
            if offered and stream.ready.value:
                waiting.pop()
                self.cycles.append(self._cycle)
                offered = False
        await FallingEdge(stream.clock)
        stream.valid.value = 0
        self._cycle += 1


class Sink:
    """Takes payloads and holds the stream to its rules.

    Once valid, neither valid nor the payload may change until the transfer.

    Parameters
    ----------
    stream
        An output of the design.
    pattern
        In which cycles the sink is ready.
    random
        Where the pattern draws from.
    """

    def __init__(self, stream: Stream, pattern: Pattern, random: Random) -> None:
        self._stream, self._pattern, self._random = stream, pattern, random
        self._pending: int | None = None
        self.cycles: list[int] = []
        self._cycle = 0
        stream.ready.value = 0

    async def receive(self, count: int) -> list[int]:
        """Take ``count`` payloads; ``cycles`` keeps when."""
        stream = self._stream
        payloads: list[int] = []
        while len(payloads) < count:
            await FallingEdge(stream.clock)
            self._cycle += 1
            ready = self._pattern(self._random)
            stream.ready.value = int(ready)
            await ReadOnly()
            self._check_rules()
            if ready and stream.valid.value:
                payloads.append(int(stream.payload.value))
                self.cycles.append(self._cycle)
                self._pending = None
        await FallingEdge(stream.clock)
        stream.ready.value = 0
        self._cycle += 1
        return payloads

    async def refuse(self, cycles: int) -> None:
        """Never be ready for a number of cycles."""
        for _ in range(cycles):
            await FallingEdge(self._stream.clock)
            self._cycle += 1
            self._stream.ready.value = 0
            await ReadOnly()
            self._check_rules()

    @property
    def offered(self) -> bool:
        """Whether a payload is waiting to be taken."""
        return self._pending is not None

    def _check_rules(self) -> None:
        stream = self._stream
        valid = bool(stream.valid.value)
        if self._pending is not None:
            assert valid, f"{stream.name}: valid fell before the transfer"
            assert int(stream.payload.value) == self._pending, f"{stream.name}: the payload changed"
        self._pending = int(stream.payload.value) if valid else None
