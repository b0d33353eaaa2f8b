"""Dense words out of memory: every bit of the chip's time is a bit of a word."""

import pytest

from tests.hw.memory.simulation import MemorySimulation
from tests.hw.memory.subject import LARGEST, WORD_BITS
from tests.hw.memory.traffic import check_words, words_at


def test_words_of_every_width_come_whole_and_in_order(simulation: MemorySimulation) -> None:
    check_words(simulation)


@pytest.mark.parametrize("width", WORD_BITS)
@pytest.mark.parametrize("share", [1, 0.7])
def test_words_leave_at_96_percent_of_the_chips_peak(simulation: MemorySimulation, width: int, share: float) -> None:
    words = 9_000
    answer = simulation.words(5, width, words, share)
    assert answer.payloads.tolist() == words_at(5, width, words)
    # of the chip's beat per cycle, or of the words that the consumer takes, where these are fewer bits
    peak = min(1, share * width / LARGEST.data_bits)
    assert words * width / LARGEST.data_bits / (answer.last - answer.first + 1) >= 0.96 * peak
