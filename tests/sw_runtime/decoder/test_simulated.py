from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sw_runtime.decoder import simulated


def test_the_rate_of_simulating_does_not_count_the_time_of_building(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, simulator = [0.0], SimpleNamespace(cycles=0)

    def builds(*arguments: object) -> None:
        clock[0] += 100

    def writes(decoder: object, channel: object, image: object) -> None:
        clock[0] += 2
        simulator.cycles += 6_000_000

    image: Any = SimpleNamespace(memory=np.zeros(4, dtype=np.uint8))
    monkeypatch.setattr(simulated, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(simulated, "decoder_board", lambda image: None)
    monkeypatch.setattr(simulated, "build_board", builds)
    monkeypatch.setattr(simulated, "BoardSimulator", lambda *arguments: simulator)
    monkeypatch.setattr(simulated, "SimulatedChannel", lambda *arguments: None)
    monkeypatch.setattr(simulated.BoardDecoder, "__init__", writes)
    assert simulated.SimulatedDecoder(image).cycles_per_second == 3_000_000
