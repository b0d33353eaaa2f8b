"""Which experts' weights are on the device: a least-recently-used cache of ways, one set a layer.

M2R2 (arXiv 2502.02040) prefetches experts; the order of evictions is that of mixtral-offloading:
all hits of a step move to the recent end before any victim is chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from formats.errors import InputError
from formats.router.answer import Lookup
from formats.router.legality import MAXIMUM_ID


@dataclass(frozen=True)
class ExpertSet:
    """One set of the cache, as a value: operations return a new one.

    Parameters
    ----------
    experts
        Expert of each way, None where it is empty.
    pinned
        Ways that must not be evicted.
    order
        Ways, least recently used first.
    """

    experts: tuple[int | None, ...]
    pinned: frozenset[int]
    order: tuple[int, ...]

    @classmethod
    def empty(cls, ways: int) -> "ExpertSet":
        """A set without experts; ways fill in ascending order."""
        return cls((None,) * ways, frozenset(), tuple(range(ways)))

    def access(self, experts: Sequence[int], pin: bool = False) -> tuple["ExpertSet", list[Lookup]]:
        """Look up the distinct experts of a step, then bring in the missing ones.

        First every hit moves to the recent end, in the order given; then every miss, in that order,
        takes the least recently used way that is not pinned. ``pin`` pins the ways found or taken.

        Raises
        ------
        InputError
            If an expert occurs twice or is not 0 to 255.
        """
        _check(experts)
        state, lookups = self, {}
        for expert in experts:
            if expert in self.experts:
                way = self.experts.index(expert)
                state, lookups[expert] = state._touch(way, expert, pin), Lookup(hit=True, way=way)
        for expert in experts:
            if expert in lookups:
                continue
            evictable = [way for way in state.order if way not in state.pinned]
            if not evictable:
                lookups[expert] = Lookup(hit=False, no_way=True)
                continue
            way = evictable[0]
            lookups[expert] = Lookup(hit=False, way=way, victim=state.experts[way])
            state = state._touch(way, expert, pin)
        return state, [lookups[expert] for expert in experts]

    def release(self, experts: Sequence[int]) -> tuple["ExpertSet", list[Lookup]]:
        """Unpin experts; nothing moves, and experts that are not there are passed over.

        Raises
        ------
        InputError
            If an expert occurs twice or is not 0 to 255.
        """
        _check(experts)
        ways = [self.experts.index(expert) if expert in self.experts else None for expert in experts]
        lookups = [Lookup(hit=False) if way is None else Lookup(hit=True, way=way) for way in ways]
        return replace(self, pinned=self.pinned.difference(ways)), lookups

    def _touch(self, way: int, expert: int, pin: bool) -> "ExpertSet":
        """Put an expert into a way and move the way to the recent end."""
        experts = (*self.experts[:way], expert, *self.experts[way + 1 :])
        order = (*(other for other in self.order if other != way), way)
        return ExpertSet(experts, self.pinned | {way} if pin else self.pinned, order)


def _check(experts: Sequence[int]) -> None:
    if len(set(experts)) != len(experts):
        raise InputError(f"the experts of a step must be distinct, got {list(experts)}")
    if any(not 0 <= expert <= MAXIMUM_ID for expert in experts):
        raise InputError(f"experts are numbered 0 to {MAXIMUM_ID}, got {list(experts)}")
