"""Results of 24 bits: rounded halves up, clipped, whatever the sum."""

import math
from fractions import Fraction

import torch
from hypothesis import given
from hypothesis import strategies as st

from golden_models.seedlm.rounded_results import rounded

LARGEST = (1 << 23) - 1


@given(total=st.integers(-(1 << 63), (1 << 63) - 1), places=st.integers(0, 63))
def test_a_sum_is_divided_rounded_and_clipped(total: int, places: int) -> None:
    exact = math.floor(Fraction(total, 1 << places) + Fraction(1, 2))
    assert rounded(torch.tensor([total]), places).tolist() == [min(max(exact, -LARGEST - 1), LARGEST)]


def test_halves_go_up_and_the_largest_stays() -> None:
    sums = torch.tensor([3, -3, 5, -5, 2 * LARGEST + 1, -2 * LARGEST - 3])
    assert rounded(sums, 1).tolist() == [2, -1, 3, -2, LARGEST, -LARGEST - 1]
