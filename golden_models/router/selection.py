"""Which tokens stay: top-k with masks and forced tokens, bounds, and the first key above one.

Order is by descending key, then ascending index, so equal keys never leave a choice open. Masks are
bool [n]; keys are int64 [n], unsigned 24-bit.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from formats.errors import InputError
from formats.router.descriptor import KEY_BITS, Quota
from formats.router.numbers import Threshold


@dataclass(frozen=True)
class TopK:
    """What a top-k keeps.

    Parameters
    ----------
    quota
        How ``amount`` sets the number kept of c candidates: KEEP ``amount``, DROP ``c - amount``,
        or RATE ``c - (amount * c >> 24)``.
    amount
        Unsigned 24-bit; any value is legal.
    last
        Force the last token, if it is a candidate (LazyLLM never drops it).
    outside
        Also keep every token that is no candidate.
    key_bits
        Low bits of a key that are compared, 1 to 24.
    """

    quota: Quota
    amount: int
    last: bool = False
    outside: bool = False
    key_bits: int = KEY_BITS

    def kept(self, candidates: int, forced: int) -> int:
        """Number kept of the candidates; forced tokens count in it and are never dropped."""
        match self.quota:
            case Quota.KEEP:
                kept = self.amount
            case Quota.DROP:
                kept = candidates - self.amount
            case Quota.RATE:
                kept = candidates - (self.amount * candidates >> KEY_BITS)
        return min(candidates, max(kept, forced))


def topk(keys: Tensor, rule: TopK, candidates: Tensor | None = None, forced: Tensor | None = None) -> Tensor:
    """Mark the largest keys, the lowest index first among equals: int64 [n] → bool [n].

    Parameters
    ----------
    keys
        int64 [n].
    rule
        How many to keep.
    candidates
        bool [n]: tokens that take part; all of them when not given.
    forced
        bool [n]: candidates that must stay.
    """
    n = len(keys)
    candidates = torch.ones(n, dtype=torch.bool) if candidates is None else candidates
    kept = torch.zeros(n, dtype=torch.bool) if forced is None else forced & candidates
    if rule.last and n:
        kept[-1] |= candidates[-1]
    places = rule.kept(int(candidates.sum()), int(kept.sum())) - int(kept.sum())
    free = (candidates & ~kept).nonzero().flatten()
    compared = keys[free] & ((1 << rule.key_bits) - 1)
    kept[free[compared.argsort(descending=True, stable=True)[:places]]] = True
    return kept | ~candidates if rule.outside else kept


class Bounds(NamedTuple):
    """Interval of ``filter_keys``; a bound that is None is absent.

    ``low`` is a ``Threshold``, or a pair of keys int64 [n] and closed for a bound a token.
    """

    low: Threshold | tuple[Tensor, bool] | None = None
    high: Threshold | None = None
    invert: bool = False


def filter_keys(keys: Tensor, bounds: Bounds) -> Tensor:
    """Mark keys inside an interval (outside it with ``invert``): int64 [n] → bool [n]."""
    inside = torch.ones(len(keys), dtype=torch.bool)
    if bounds.low is not None:
        key, closed = bounds.low
        inside &= (keys >= key) if closed else (keys > key)
    if bounds.high is not None:
        key, closed = bounds.high
        inside &= (keys <= key) if closed else (keys < key)
    return ~inside if bounds.invert else inside


def argmax(rows: Tensor) -> Tensor:
    """Index of each row's largest key, the lowest among equals: int64 [T, E], E at least 1 → int64 [T]."""
    columns = torch.arange(rows.shape[1])
    largest = rows == rows.amax(dim=1, keepdim=True)
    return torch.where(largest, columns, rows.shape[1]).amin(dim=1)


def first(rows: Tensor, bound: Threshold | tuple[Tensor, bool], none: bool = False) -> tuple[Tensor, Tensor]:
    """First key of each row that passes a bound.

    DynaMoE's expert (arXiv 2502.12325) falls back to the largest logit, M2R2's exit (2502.02040) to none.

    Parameters
    ----------
    rows
        Keys, int64 [T, E], E at least 1.
    bound
        A ``Threshold``, or a pair of keys int64 [E] and closed for a bound a column.
    none
        Where no key passes, answer E instead of the largest key's index.

    Returns
    -------
    tuple[Tensor, Tensor]
        Index int64 [T], and bool [T]: no key passed.
    """
    key, closed = bound
    passed = (rows >= key) if closed else (rows > key)
    fallback = ~passed.any(dim=1)
    columns = rows.shape[1]
    earliest = torch.where(passed, torch.arange(columns), columns).amin(dim=1)
    return torch.where(fallback & (not none), argmax(rows), earliest), fallback


def range_mask(n: int, start: int, length: int, mask: Tensor | None = None, invert: bool = False) -> Tensor:
    """Leave out a run of tokens (Victor's image tokens, arXiv 2410.14072), or with ``invert`` keep only it: bool [n].

    Raises
    ------
    InputError
        If the run ends after token n.
    """
    if start + length > n:
        raise InputError(f"tokens {start} to {start + length} do not fit {n} tokens")
    tokens = torch.arange(n)
    inside = (tokens >= start) & (tokens < start + length)
    kept = inside if invert else ~inside
    return kept if mask is None else kept & mask


def ratio_mask(hits: Tensor, totals: Tensor, numerator: int, keep_empty: bool) -> Tensor:
    """Mark ``hits / totals >= numerator / 256`` without dividing (CtrlSynth's self-filter, arXiv 2410.11963).

    Two int64 [n] → bool [n]; ``keep_empty`` decides where the total is 0.
    """
    return torch.where(totals == 0, torch.tensor(keep_empty), (hits << 8) >= numerator * totals)
