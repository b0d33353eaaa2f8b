"""Damaged, lost, repeated, early, foreign packets: byte for byte what the model says, and never a hang."""

from pathlib import Path

import pytest

from sw_runtime.device.simulator.line import LineSimulation
from tests.hw.link.fuzz import fuzz


def test_ten_thousand_packets_bring_what_the_model_says(library: Path) -> None:
    for seed in range(2):
        line = LineSimulation(library, seed + 1)
        assert fuzz(line, 5_000, seed) > 1_000
        line.close()


@pytest.mark.soak
def test_a_million_packets_bring_what_the_model_says(library: Path) -> None:
    for seed in range(2, 102):
        line = LineSimulation(library, seed)
        assert fuzz(line, 10_000, seed) > 2_000
        line.close()
