"""The expert cache against an ordered dictionary, and with pins."""

from collections import OrderedDict
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.router.answer import Lookup
from golden_models.router.cache import ExpertSet


def step(code: int) -> list[int]:
    """Distinct experts of a byte: its low six bits, in descending order if bit 6 is set."""
    experts = [expert for expert in range(6) if code >> expert & 1]
    return experts[::-1] if code >> 6 & 1 else experts


Operation = Callable[[ExpertSet, list[int]], tuple[ExpertSet, list[Lookup]]]


def hit(way: int) -> Lookup:
    return Lookup(hit=True, way=way)


def miss(way: int, victim: int | None = None) -> Lookup:
    return Lookup(hit=False, way=way, victim=victim)


def run(ways: int, *steps: list[int]) -> list[list[Lookup]]:
    state, results = ExpertSet.empty(ways), []
    for experts in steps:
        state, lookups = state.access(experts)
        results.append(lookups)
    return results


def test_the_least_recently_used_goes_first() -> None:
    assert run(2, [3], [5], [3], [7], [5]) == [[miss(0)], [miss(1)], [hit(0)], [miss(1, 5)], [miss(0, 3)]]


def test_hits_of_a_step_move_before_its_victims_are_chosen() -> None:
    assert run(2, [1, 2], [4, 1])[1] == [miss(1, 2), hit(0)]


def test_a_step_of_more_experts_than_ways_evicts_its_own() -> None:
    assert run(2, [1, 2, 3]) == [[miss(0), miss(1), miss(0, 1)]]


class TestPins:
    def test_nothing_takes_a_pinned_way(self) -> None:
        state, _ = ExpertSet.empty(2).access([1, 2], pin=True)
        after, lookups = state.access([3])
        assert lookups == [Lookup(hit=False, no_way=True)]
        assert after == state

    def test_a_released_way_is_taken(self) -> None:
        state, _ = ExpertSet.empty(2).access([1, 2], pin=True)
        state, lookups = state.release([1, 9])
        assert lookups == [hit(0), Lookup(hit=False)]
        assert state.order == (0, 1)  # nothing moved
        state, lookups = state.access([3])
        assert lookups == [miss(0, 1)]

    def test_a_hit_can_be_pinned(self) -> None:
        state, _ = ExpertSet.empty(2).access([1])
        state, _ = state.access([1], pin=True)
        state, lookups = state.access([2, 3])
        assert lookups == [miss(1), miss(1, 2)]

    def test_a_later_hit_leaves_the_pin(self) -> None:
        state, _ = ExpertSet.empty(1).access([1], pin=True)
        state, _ = state.access([1])
        assert state.access([2])[1] == [Lookup(hit=False, no_way=True)]


@settings(max_examples=2000, deadline=None)
@given(ways=st.integers(1, 4), codes=st.binary(max_size=12))
def test_without_pins_it_is_an_ordered_dictionary(ways: int, codes: bytes) -> None:
    state = ExpertSet.empty(ways)
    model: OrderedDict[int, None] = OrderedDict()
    for experts in map(step, codes):
        before = state
        state, lookups = state.access(experts)
        expected: dict[int, tuple[bool, int | None]] = {}
        for expert in [expert for expert in experts if expert in model]:
            model.move_to_end(expert)
            expected[expert] = (True, None)
        for expert in [expert for expert in experts if expert not in expected]:
            victim = model.popitem(last=False)[0] if len(model) == ways else None
            model[expert] = None
            expected[expert] = (False, victim)
        assert [(lookup.hit, lookup.victim) for lookup in lookups] == [expected[expert] for expert in experts]
        assert [state.experts[way] for way in state.order if state.experts[way] is not None] == list(model)
        found = [(expert, lookup.way) for expert, lookup in zip(experts, lookups, strict=True) if lookup.hit]
        assert all(before.experts[way] == expert for expert, way in found)


@pytest.mark.parametrize("operation", [ExpertSet.access, ExpertSet.release])
class TestBadSteps:
    def test_an_expert_twice(self, operation: Operation) -> None:
        with pytest.raises(ValueError, match=r"the experts of a step must be distinct, got \[1, 1\]"):
            operation(ExpertSet.empty(2), [1, 1])

    @pytest.mark.parametrize("expert", [-1, 256])
    def test_an_expert_beyond_a_byte(self, operation: Operation, expert: int) -> None:
        with pytest.raises(ValueError, match="experts are numbered 0 to 255"):
            operation(ExpertSet.empty(2), [expert])
