"""Laws of the top-k selection, and an independent oracle."""

from typing import NamedTuple

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from formats.router.descriptor import Quota
from golden_models.router.selection import TopK, topk

many_cases = settings(max_examples=2000, deadline=None)


class Case(NamedTuple):
    """Keys with many ties, candidates, forced tokens, and how many to keep."""

    keys: Tensor
    candidates: Tensor
    forced: Tensor
    amount: int

    def keep(self, more: int = 0) -> Tensor:
        """The selection, with ``more`` added to the amount."""
        return topk(self.keys, TopK(Quota.KEEP, self.amount + more), self.candidates, self.forced)

    def moved(self, order: Tensor) -> "Case":
        """The same tokens in another order."""
        return Case(self.keys[order], self.candidates[order], self.forced[order], self.amount)


def case(data: bytes) -> Case:
    """A byte for the amount, then one per token: three bits of key, two that take it out if both are 0,
    three that force it if all are 0.
    """
    codes = torch.tensor(list(data[1:]), dtype=torch.int64)
    return Case(codes & 7, codes >> 3 & 3 != 0, codes >> 5 == 0, data[0] % 45)


cases = st.binary(min_size=1, max_size=41).map(case)
rules = st.builds(
    TopK,
    quota=st.sampled_from(Quota),
    amount=st.one_of(st.integers(0, 45), st.integers(0, 2**24 - 1)),
    last=st.booleans(),
    outside=st.booleans(),
    key_bits=st.sampled_from([1, 2, 16, 24]),
)


def subset(one: Tensor, other: Tensor) -> bool:
    return bool((one <= other).all())


@many_cases
@given(case=cases, rule=rules)
def test_it_is_a_sort_by_key_then_index(case: Case, rule: TopK) -> None:
    n = len(case.keys)
    candidates = [i for i in range(n) if case.candidates[i]]
    forced = {i for i in candidates if case.forced[i] or (rule.last and i == n - 1)}
    count = len(candidates)
    dropped = {Quota.KEEP: count - rule.amount, Quota.DROP: rule.amount, Quota.RATE: rule.amount * count // 2**24}
    kept = min(count, max(count - dropped[rule.quota], len(forced)))
    keys = [key % 2**rule.key_bits for key in case.keys.tolist()]
    ranked = sorted((i for i in candidates if i not in forced), key=lambda i: (-keys[i], i))
    expected = forced | set(ranked[: kept - len(forced)])
    if rule.outside:
        expected |= set(range(n)) - set(candidates)
    assert topk(case.keys, rule, case.candidates, case.forced).nonzero().flatten().tolist() == sorted(expected)


@many_cases
@given(case=cases)
def test_its_size_is_the_amount_within_the_forced_and_the_candidates(case: Case) -> None:
    candidates, forced = int(case.candidates.sum()), int((case.forced & case.candidates).sum())
    assert int(case.keep().sum()) == min(candidates, max(case.amount, forced))


@many_cases
@given(case=cases)
def test_keeping_more_keeps_the_same_and_more(case: Case) -> None:
    assert (case.keep() <= case.keep(more=1)).all()


@many_cases
@given(case=cases, fewer=st.integers(0, 45))
def test_selecting_again_among_the_selected_changes_nothing(case: Case, fewer: int) -> None:
    again = case._replace(candidates=case.keep(), amount=min(fewer, case.amount))
    assert torch.equal(again.keep(), case._replace(amount=again.amount).keep())


@many_cases
@given(case=cases)
def test_dropping_is_keeping_the_rest(case: Case) -> None:
    rest = max(0, int(case.candidates.sum()) - case.amount)
    dropped = topk(case.keys, TopK(Quota.DROP, case.amount), case.candidates, case.forced)
    assert torch.equal(dropped, case._replace(amount=rest).keep())


@many_cases
@given(case=cases, steps=st.binary(min_size=8, max_size=8))
def test_only_the_order_of_keys_counts(case: Case, steps: bytes) -> None:
    increasing = torch.tensor([step + 1 for step in steps]).cumsum(dim=0)
    assert torch.equal(case._replace(keys=increasing[case.keys]).keep(), case.keep())


@many_cases
@given(case=cases, which=st.integers(0, 39))
def test_a_kept_token_stays_when_its_key_rises(case: Case, which: int) -> None:
    kept = case.keep().nonzero().flatten()
    if len(kept):
        token = kept[which % len(kept)]
        raised = case.keys.clone()
        raised[token] += 1 + which % 8
        assert case._replace(keys=raised).keep()[token]


@many_cases
@given(case=cases)
def test_every_token_chosen_ranks_above_every_token_dropped(case: Case) -> None:
    rank = case.keys * 64 - torch.arange(len(case.keys))
    kept = case.keep()
    chosen, dropped = rank[kept & ~case.forced].tolist(), rank[case.candidates & ~kept].tolist()
    assert min(chosen, default=2**24) > max(dropped, default=-(2**24))


@many_cases
@given(case=cases, seed=st.integers(0, 2**32))
def test_moving_tokens_moves_the_selection(case: Case, seed: int) -> None:
    order = torch.randperm(len(case.keys), generator=torch.Generator().manual_seed(seed))
    distinct = case._replace(keys=case.keys * 64 + torch.arange(len(case.keys)))
    assert torch.equal(distinct.moved(order).keep(), distinct.keep()[order])
    moved = case.moved(order)  # among equals others may be kept, but as many of every key
    assert torch.equal(moved.keys[moved.keep()].bincount(minlength=8), case.keys[case.keep()].bincount(minlength=8))


@many_cases
@given(case=cases, tile=st.integers(1, 16))
def test_tiles_can_be_selected_first(case: Case, tile: int) -> None:
    tiles = torch.arange(len(case.keys)).split(tile)
    survivors = torch.cat([case.moved(tokens).keep() for tokens in tiles])
    assert torch.equal(case._replace(candidates=survivors).keep(), case.keep())
