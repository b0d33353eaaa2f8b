"""A value a cycle through a component without handshakes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge


@dataclass(frozen=True)
class Feed:
    """Values of an input port, the first in cycle ``delay``."""

    values: Sequence[int]
    delay: int = 0


@dataclass(frozen=True)
class Tap:
    """``count`` values of an output port, the first in cycle ``latency``."""

    count: int
    latency: int


async def run_pipeline(
    dut: HierarchyObject, feeds: Mapping[str, Feed], taps: Mapping[str, Tap]
) -> dict[str, list[int]]:
    """Feed all inputs and read all outputs, one value each per cycle; a latency of n is n rising edges."""
    seen: dict[str, list[int]] = {port: [] for port in taps}
    inputs = [(getattr(dut, port), feed) for port, feed in feeds.items()]
    outputs = [(getattr(dut, port), tap, seen[port]) for port, tap in taps.items()]
    for cycle in range(max(tap.latency + tap.count for tap in taps.values())):
        await FallingEdge(dut.clk)
        for handle, feed in inputs:
            if 0 <= cycle - feed.delay < len(feed.values):
                handle.value = feed.values[cycle - feed.delay]
        for handle, tap, values in outputs:
            if 0 <= cycle - tap.latency < tap.count:
                values.append(int(handle.value))
    return seen
