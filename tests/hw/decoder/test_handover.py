"""A handover keeps words and their order, cuts every path, and takes a word only when it can leave."""

import pytest

from hw.decoder.handover import Handover
from tests.hw.passages import Passage, passed

COUNT = 60


def handed_over(offers: str, takes: str) -> Passage:
    return passed(Handover(8), offers, takes, COUNT, 20 * COUNT, patient=True)


@pytest.mark.parametrize("offers", ["always", "half"])
@pytest.mark.parametrize("takes", ["always", "half"])
def test_words_come_whole_and_in_order_and_only_when_they_can_leave(offers: str, takes: str) -> None:
    found = handed_over(offers, takes)
    assert found.came == found.words
    assert all(found.ready_then), "it is taken when it can leave"
    assert found.came_before == list(range(COUNT)), "none is taken while another waits"


def test_a_word_is_taken_three_cycles_after_the_word_before_it() -> None:
    cycles = handed_over("always", "always").taken_at
    assert cycles == list(range(cycles[0], cycles[0] + 3 * COUNT, 3))
