"""Reads and writes near each other and across pages, and a dictionary that says what must be read."""

from dataclasses import dataclass, field
from random import Random

import numpy as np

from hw.memory.litedram.phy_model import CHECKED_ROWS
from tests.hw.memory.litedram.simulation import Ddr3Simulation

PAGE_BEATS = 256
"""A page's 1,024 columns of 16 bits, in beats of 64."""

SIZE = CHECKED_ROWS * 8 * PAGE_BEATS
"""Beats that the model keeps."""


@dataclass
class Held:
    """What was written, and the batches of runs that write it."""

    random: Random
    beats: dict[int, int] = field(default_factory=dict)

    def batch(self, count: int) -> tuple[list[tuple[int, int, bool]], list[int], list[int]]:
        """Random runs, the beats to write, and those that must be read; a beat that was never written is 0."""
        places = [PAGE_BEATS - 8, 8 * PAGE_BEATS - 8, SIZE - 2_000, 4_000, 4_000 + 8 * PAGE_BEATS]
        runs, written, expected = [], [], []
        for _ in range(count):
            first = self.random.choice(places) + self.random.randrange(16)
            if runs and self.random.random() < 1 / 3:
                first = sum(runs[-1][:2]) - 1 ^ 1  # the other beat of the last run's last burst
            beats, write = self.random.choice((1, 2, 3, self.random.randrange(4, 40))), self.random.random() < 1 / 2
            runs.append((first, beats, write))
            for address in range(first, first + beats):
                if write:
                    self.beats[address] = self.random.getrandbits(64)
                    written.append(self.beats[address])
                else:
                    expected.append(self.beats.get(address, 0))
        return runs, written, expected


def check(simulation: Ddr3Simulation, batches: int, runs: int, seed: int) -> None:
    """Run batches on a memory that nobody has written to; both ends pause in every second one.

    Raises
    ------
    AssertionError
        If a beat is wrong or does not come.
    """
    held = Held(Random(seed))
    for number in range(batches):
        asked, written, expected = held.batch(runs)
        answer = simulation.runs(asked, np.array(written, np.uint64), 0.6 if number % 2 else 1)
        assert answer.beats.tolist() == expected
