"""A skid buffer keeps words and their order, takes one per cycle, and cuts every path."""

import pytest

from hw.memory.skid_buffer import SkidBuffer
from tests.hw.passages import Passage, passed

COUNT = 200


def buffered(offers: str, takes: str) -> Passage:
    return passed(SkidBuffer(8), offers, takes, COUNT, 8 * COUNT, patient=False)


@pytest.mark.parametrize("offers", ["always", "half"])
@pytest.mark.parametrize("takes", ["always", "half"])
def test_words_come_whole_and_in_order_and_neither_side_sees_the_other_in_its_cycle(offers: str, takes: str) -> None:
    found = buffered(offers, takes)
    assert found.came == found.words


def test_a_word_passes_per_cycle_one_cycle_late() -> None:
    assert buffered("always", "always").cycles == COUNT + 1
