"""Damaged, lost, repeated, early, foreign packets: byte for byte what the model says, and never a hang."""

import time
from collections import Counter
from pathlib import Path

import pytest

from sw_runtime.device.simulator.line import LineSimulation
from tests.hw.link.fuzz import fuzz


def test_ten_thousand_packets_bring_what_the_model_says(library: Path) -> None:
    for seed in range(2):
        line = LineSimulation(library, seed + 1)
        assert fuzz(line, 5_000, seed).executed > 1_000
        line.close()


@pytest.mark.soak
def test_a_million_packets_bring_what_the_model_says(library: Path) -> None:
    drawn, executed, cycles, before = Counter[str](), 0, 0, time.process_time()
    for seed in range(2, 102):
        line = LineSimulation(library, seed)
        fuzzed = fuzz(line, 10_000, seed)
        line.close()
        assert fuzzed.executed > 1_000
        drawn, executed, cycles = drawn + fuzzed.drawn, executed + fuzzed.executed, cycles + fuzzed.cycles
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in drawn.most_common())
    print(
        f"\n{drawn.total():,} packets ({kinds}): {executed:,} requests executed, {cycles:,} cycles simulated, "
        f"{time.process_time() - before:.0f} CPU seconds"
    )
