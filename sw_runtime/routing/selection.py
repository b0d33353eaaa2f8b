"""Which tokens stay: the best ones, or those between bounds."""

from typing import Literal

import torch
from torch import Tensor

from formats.errors import InputError
from formats.router.descriptor import NO_SLOT, Bound, Flag, Opcode, Quota
from formats.router.keys import MAXIMUM_KEY, score_keys
from formats.router.numbers import SQ7_16, UQ0_16, Comparison, NumberFormat, encode, threshold
from formats.router.rates import Rate, drop_count
from sw_runtime.device.protocol import Device, Request
from sw_runtime.routing.commands import ask, check_mask, check_tokens, load_keys, mask_of, put_mask, request

ScoreCode = Literal["sum16", "x24", "logits"]
NotANumber = Literal["raise", "lowest"]

CANDIDATES, FORCED = 0, 1
"""Bitmaps that ``keep_top`` writes."""

MAXIMUM_HEADS = 256
"""Rows of 16-bit fractions that a key can sum."""


def keep_top(
    device: Device,
    scores: Tensor,
    *,
    keep: int | None = None,
    drop: int | None = None,
    rate: Rate | None = None,
    candidates: Tensor | None = None,
    force: Tensor | None = None,
    last: bool = False,
    outside: bool = False,
    score_code: ScoreCode = "sum16",
    nan: NotANumber = "raise",
) -> Tensor:
    """Mark the tokens with the largest scores, the first one among equals.

    Parameters
    ----------
    device
        A device with a router.
    scores
        Float [n], or [heads, n] whose sum over heads ranks the tokens. Integers, int64 [n] of 0 to
        2^24 - 1, rank as they are.
    keep, drop, rate
        Exactly one: how many to keep, how many of the candidates to drop, or which share of them, an
        exact fraction rounded down (0.7 means seven tenths).
    candidates
        bool [n]: tokens that take part; all when not given.
    force
        bool [n]: candidates that stay whatever their score, and count in the number kept.
    last
        Force the last token, if it is a candidate.
    outside
        Keep every token that is no candidate, too.
    score_code
        What floats become. ``"sum16"``: 16-bit fractions of probabilities 0 to 1, which the router
        sums over at most 256 heads. ``"x24"``: probabilities summed by the host and rounded to 24
        significant bits, with far fewer ties. ``"logits"``: signed numbers -128 to 128 in steps of
        2^-16, [n] only; what is beyond saturates.
    nan
        ``"lowest"`` ranks NaN last; ``"raise"`` refuses it.

    Returns
    -------
    Tensor
        bool [n].

    Raises
    ------
    InputError
        If a shape, a dtype, the code or a number is not as above, a score is NaN, or the tokens do not fit.
    """
    n = scores.shape[-1] if scores.ndim else 0
    check_tokens(device, n)
    requests = _keys(scores, score_code, nan)
    for name, slot, mask in (("candidates", CANDIDATES, candidates), ("force", FORCED, force)):
        if mask is not None:
            check_mask(name, mask, n)
            requests.append(put_mask(slot, mask))
    sa, sb = CANDIDATES if candidates is not None else NO_SLOT, FORCED if force is not None else NO_SLOT
    quota, amount = _quota(keep, drop, rate, n if candidates is None else int(candidates.sum()))
    flags = quota | (Flag.TOPK_LAST if last else 0) | (Flag.TOPK_OUTSIDE if outside else 0)
    return mask_of(ask(device, *requests, request(Opcode.TOPK, flags=flags, n=n, x=amount, sa=sa, sb=sb)), n)


def filter_scores(
    device: Device,
    scores: Tensor,
    low: float | Tensor | None = None,
    high: float | None = None,
    *,
    low_closed: bool = False,
    high_closed: bool = False,
    invert: bool = False,
    number_format: NumberFormat = SQ7_16,
    nan: NotANumber = "raise",
) -> Tensor:
    """Mark the scores between two bounds, or with ``invert`` the others.

    Bounds are rounded by the direction of their comparison: a score that the format holds exactly
    is compared as if the bound had not been rounded.

    Parameters
    ----------
    device
        A device with a router.
    scores
        Float [n].
    low, high
        Bounds; an absent one passes everything. ``low`` may be float [n], a bound a score.
    low_closed, high_closed
        Whether a score equal to the bound passes.
    number_format
        What scores become; logits of 24 bits when not given.
    nan
        ``"lowest"`` makes NaN the format's least number; ``"raise"`` refuses it.

    Returns
    -------
    Tensor
        bool [n].

    Raises
    ------
    InputError
        If a shape is not as above, a number is NaN, the scores do not fit the router, or single
        bounds of ``low`` lie outside the format and cannot be told from its ends.
    """
    n = _one_row(scores)
    check_tokens(device, n)
    flags, x, y, requests = int(number_format.key_format), 0, 0, []
    closed = low_closed
    if isinstance(low, Tensor):
        requests.append(load_keys(_bound_keys(low, n, closed, number_format)))
        flags |= Bound.TABLE << 3
    elif low is not None:
        x, closed = threshold(low, _above(low_closed), number_format)
        flags |= Bound.FIELD << 3
    if high is not None:
        y, high_closed = threshold(high, "<=" if high_closed else "<", number_format)
        flags |= Flag.FILTER_HIGH | (Flag.FILTER_HIGH_CLOSED if high_closed else 0)
    flags |= (Flag.FILTER_LOW_CLOSED if closed else 0) | (Flag.FILTER_INVERT if invert else 0)
    elements = number_format.quantise(scores, nan).tolist()
    return mask_of(ask(device, *requests, request(Opcode.FILTER, elements, flags, n=n, x=x, y=y)), n)


def _keys(scores: Tensor, score_code: ScoreCode, nan: NotANumber) -> list[Request]:
    """Commands that fill the key memory."""
    if not scores.is_floating_point():
        n = _one_row(scores)
        if n and not 0 <= int(scores.min()) <= int(scores.max()) <= MAXIMUM_KEY:
            raise InputError(f"integer scores must be 0 to {MAXIMUM_KEY}; shift them, or give floats")
        return [load_keys(scores)]
    if score_code == "logits":
        _one_row(scores)
        return [load_keys(encode(SQ7_16.quantise(scores, nan), SQ7_16.key_format))]
    heads = scores[None] if scores.ndim == 1 else scores
    if heads.ndim != 2 or not len(heads):
        raise InputError(f"scores must be [n] or [heads, n], not {list(scores.shape)}")
    if score_code == "sum16":
        if len(heads) > MAXIMUM_HEADS:
            raise InputError(f"a key sums at most {MAXIMUM_HEADS} heads, not {len(heads)}; use score_code='x24'")
        rows = UQ0_16.quantise(heads, nan)
        return [load_keys(row, accumulate=head > 0) for head, row in enumerate(rows)]
    if nan == "lowest":
        heads = torch.where(heads.isnan(), 0.0, heads)
    return [load_keys(score_keys(heads, score_code))]


def _one_row(scores: Tensor) -> int:
    if scores.ndim != 1:
        raise InputError(f"scores must be [n] here, not {list(scores.shape)}")
    return len(scores)


def _quota(keep: int | None, drop: int | None, rate: Rate | None, candidates: int) -> tuple[Quota, int]:
    """Mode and number of TOPK; the candidates are known here, so that a rate is an exact number to drop."""
    if sum(given is not None for given in (keep, drop, rate)) != 1:
        raise InputError("give one of keep, drop and rate")
    if rate is not None:
        drop = drop_count(rate, candidates)
    quota, amount = (Quota.KEEP, keep) if keep is not None else (Quota.DROP, drop)
    if amount is None or amount < 0:
        raise InputError(f"keep and drop are numbers of tokens from 0 on, not {amount}")
    return quota, min(amount, candidates)


def _above(closed: bool) -> Comparison:
    return ">=" if closed else ">"


def _bound_keys(bounds: Tensor, n: int, closed: bool, number_format: NumberFormat) -> Tensor:
    """A bound a score as keys, which all must mean the same by closed."""
    if bounds.shape != (n,):
        raise InputError(f"bounds must be [{n}], not {list(bounds.shape)}")
    rounded = [threshold(bound, _above(closed), number_format) for bound in bounds.tolist()]
    beyond = sum(bound.closed != closed for bound in rounded)
    if beyond:
        raise InputError(f"{beyond} of {n} bounds lie outside the format; clamp them, or flip low_closed")
    return torch.tensor([bound.key for bound in rounded], dtype=torch.int64)
