"""How many draft tokens are accepted."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from golden_models.router.prefix import accept_greedy, accept_stochastic

TOP = 2**24 - 1
fractions24 = st.one_of(st.integers(0, TOP), st.sampled_from([0, 1, TOP, 2**23]))


class TestGreedy:
    @pytest.mark.parametrize(
        ("drafts", "targets", "accepted", "following"),
        [
            ([5, 6, 7], [5, 6, 8, 9], 2, 8),
            ([5, 6, 7], [5, 6, 7, 9], 3, 9),
            ([1], [2, 3], 0, 2),
            ([], [4], 0, 4),
            ([1, 2, 3], [9, 2, 3, 4], 0, 9),
        ],
    )
    def test_examples(self, drafts: list[int], targets: list[int], accepted: int, following: int) -> None:
        assert accept_greedy(torch.tensor(drafts), torch.tensor(targets)) == (accepted, following)


class TestStochastic:
    @pytest.mark.parametrize(
        ("triples", "accepted"),
        [
            ([(0, 2**23, 2**22), (2**23, 2**23, 2**22)], 1),  # equality rejects
            ([(2**23 - 1, 2**23, 2**22), (2**23, 2**23, 2**22)], 1),
            ([(TOP, TOP, TOP), (TOP, 3, 3), (0, 5, 0)], 2),
            ([(0, 0, 0)], 0),
            ([(TOP, 0, 1)], 1),
        ],
    )
    def test_examples(self, triples: list[tuple[int, int, int]], accepted: int) -> None:
        assert accept_stochastic(*torch.tensor(triples).unbind(dim=1)) == accepted

    @given(u=fractions24, q=fractions24, p=fractions24)
    def test_a_draft_passes_if_u_is_below_the_ratio(self, u: int, q: int, p: int) -> None:
        accepted = accept_stochastic(torch.tensor([u]), torch.tensor([q]), torch.tensor([p]))
        ratio_is_above = Fraction(u, 2**24) < Fraction(p, q) if q else p > 0
        assert accepted == ratio_is_above
