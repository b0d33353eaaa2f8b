"""What each command does to the unit's memories, by the primitives of the other modules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from formats.router.answer import Lookup, half_words
from formats.router.bitmaps import combine, from_words, indices, to_words
from formats.router.descriptor import (
    ALL_SETS,
    NO_SLOT,
    SATURATED_KEY,
    SATURATED_VALUE,
    VERSION,
    WORD_BITS,
    Bound,
    CacheAction,
    Command,
    Flag,
    KeyFormat,
    Opcode,
    Quota,
    RouterParameters,
)
from formats.router.keys import accumulate
from formats.router.legality import MAXIMUM_ID, MAXIMUM_LENGTH
from formats.router.numbers import SQ7_16, Threshold, encode
from golden_models.router.cache import ExpertSet
from golden_models.router.prefix import accept_greedy, accept_stochastic
from golden_models.router.segments import path_score, segment_mean
from golden_models.router.selection import Bounds, TopK, argmax, filter_keys, first, range_mask, ratio_mask, topk


@dataclass
class Result:
    """What an operation hands to the answer.

    Parameters
    ----------
    count
        Its result in the trailer.
    payload
        u16 words.
    sticky
        ``SATURATED_KEY`` and ``SATURATED_VALUE``.
    bad_data
        The data were not what the operation takes.
    """

    count: int = 0
    payload: Sequence[int] = ()
    sticky: int = 0
    bad_data: bool = False


@dataclass
class CacheCounters:
    """Experts found and not found since the start."""

    hits: int = 0
    misses: int = 0
    prefetch_hits: int = 0
    prefetch_misses: int = 0

    def add(self, lookups: Sequence[Lookup], prefetch: bool) -> None:
        """Count one command's lookups."""
        hits = sum(lookup.hit for lookup in lookups)
        if prefetch:
            self.prefetch_hits += hits
            self.prefetch_misses += len(lookups) - hits
        else:
            self.hits += hits
            self.misses += len(lookups) - hits


class Memory:
    """What a unit remembers: all 0, and the cache empty, at the start.

    Parameters
    ----------
    parameters
        Build parameters.

    Attributes
    ----------
    keys
        Key memory, int64 [N], unsigned 24-bit.
    bitmaps
        bool [slots, N].
    sets
        The expert cache.
    counters
        What INFO tells of the cache.
    """

    def __init__(self, parameters: RouterParameters) -> None:
        self.parameters = parameters
        self.keys = torch.zeros(parameters.keys, dtype=torch.int64)
        self.bitmaps = torch.zeros(parameters.slots, parameters.keys, dtype=torch.bool)
        self.sets = [ExpertSet.empty(parameters.ways) for _ in range(parameters.sets)]
        self.counters = CacheCounters()

    def stored_keys(self, command: Command, count: int) -> Tensor:
        """A view of the key memory from the command's base: int64 [count]."""
        start = WORD_BITS * command.base
        return self.keys[start : start + count]

    def operand(self, slot: int, n: int) -> Tensor | None:
        """A view of the first n bits of a slot, bool [n]; None for no slot."""
        return None if slot == NO_SLOT else self.bitmaps[slot, :n]

    def write(self, slot: int, mask: Tensor) -> None:
        """Set the first n bits of a slot and clear the rest of their last word; later words stay."""
        if slot != NO_SLOT:
            self.bitmaps[slot, : -(-len(mask) // WORD_BITS) * WORD_BITS] = False
            self.bitmaps[slot, : len(mask)] = mask


def _bitmap(memory: Memory, command: Command, mask: Tensor) -> Result:
    """Write and answer a bitmap."""
    memory.write(command.dst, mask)
    return Result(int(mask.sum()), to_words(mask).tolist())


def _nothing(memory: Memory, command: Command, elements: Tensor) -> Result:
    return Result()


def _info(memory: Memory, command: Command, elements: Tensor) -> Result:
    build, counters = memory.parameters, memory.counters
    shape = (build.lanes, build.digit_bits, build.keys, build.slots, build.sets, build.ways)
    counts = (counters.hits, counters.misses, counters.prefetch_hits, counters.prefetch_misses)
    return Result(payload=(VERSION, *shape, 0, *half_words(counts)))


def _load(memory: Memory, command: Command, elements: Tensor) -> Result:
    stored, keys, clipped = memory.stored_keys(command, command.n), encode(elements, KeyFormat(command.mode)), False
    if command.has(Flag.LOAD_ACCUMULATE):
        keys, clipped = accumulate(stored, keys)
    stored[:] = keys
    return Result(command.n, sticky=SATURATED_KEY if clipped else 0)


def _read_keys(memory: Memory, command: Command, elements: Tensor) -> Result:
    return Result(command.n, half_words(memory.stored_keys(command, command.n).tolist()))


def _topk(memory: Memory, command: Command, elements: Tensor) -> Result:
    rule = TopK(
        Quota(command.mode),
        command.x,
        last=command.has(Flag.TOPK_LAST),
        outside=command.has(Flag.TOPK_OUTSIDE),
        key_bits=command.compared_bits,
    )
    candidates, forced = memory.operand(command.sa, command.n), memory.operand(command.sb, command.n)
    return _bitmap(memory, command, topk(memory.stored_keys(command, command.n), rule, candidates, forced))


def _low_bound(
    memory: Memory, command: Command, closed: bool, table_length: int
) -> Threshold | tuple[Tensor, bool] | None:
    """Flags 4:3 of FILTER and FIRST, with the field or the table they name."""
    match Bound(command.bound):
        case Bound.NONE:
            return None
        case Bound.FIELD:
            return Threshold(command.x, closed)
        case Bound.TABLE:
            return memory.stored_keys(command, table_length), closed


def _filter(memory: Memory, command: Command, elements: Tensor) -> Result:
    low = _low_bound(memory, command, command.has(Flag.FILTER_LOW_CLOSED), command.n)
    high = Threshold(command.y, command.has(Flag.FILTER_HIGH_CLOSED)) if command.has(Flag.FILTER_HIGH) else None
    from_memory = command.has(Flag.FILTER_KEYS)
    keys = memory.stored_keys(command, command.n) if from_memory else encode(elements, KeyFormat(command.mode))
    return _bitmap(memory, command, filter_keys(keys, Bounds(low, high, command.has(Flag.FILTER_INVERT))))


def _first(memory: Memory, command: Command, elements: Tensor) -> Result:
    if not command.n:
        return Result()
    rows = encode(elements, KeyFormat(command.mode)).view(-1, command.row_elements)
    bound = _low_bound(memory, command, command.has(Flag.FIRST_CLOSED), command.row_elements)
    if bound is None:
        index, fallback = argmax(rows), torch.ones(len(rows), dtype=torch.bool)
    else:
        index, fallback = first(rows, bound, none=command.has(Flag.FIRST_NONE))
    return Result(int((~fallback).sum()), half_words((index + (fallback.long() << 31)).tolist()))


def _range(memory: Memory, command: Command, elements: Tensor) -> Result:
    mask = memory.operand(command.sa, command.n)
    return _bitmap(memory, command, range_mask(command.n, command.x, command.y, mask, command.has(Flag.RANGE_INVERT)))


def _gather(memory: Memory, command: Command, elements: Tensor) -> Result:
    operands = [memory.operand(slot, command.n) for slot in (command.sa, command.sb, command.sc, command.dst)]
    out = combine(command.z, command.n, *operands)
    if command.has(Flag.GATHER_WRITE):
        memory.write(command.dst, combine(command.y & 0xFFFF, command.n, *operands))
    members = indices(out) if command.has(Flag.GATHER_LIST) else to_words(out)
    return Result(int(out.sum()), members.tolist())


def _put_bitmap(memory: Memory, command: Command, elements: Tensor) -> Result:
    mask = from_words(elements, command.n)
    memory.write(command.dst, mask)
    return Result(int(mask.sum()))


def _prefix(memory: Memory, command: Command, elements: Tensor) -> Result:
    if command.has(Flag.PREFIX_STOCHASTIC):
        return Result(accept_stochastic(*elements.view(command.n // 3, 3).unbind(dim=1)))
    drafts, targets = elements[:-1:2], torch.cat((elements[1:-1:2], elements[-1:]))
    accepted, following = accept_greedy(drafts, targets)
    return Result(accepted, half_words([following]))


def _ratio(memory: Memory, command: Command, elements: Tensor) -> Result:
    keep_empty = command.has(Flag.RATIO_KEEP_EMPTY)
    return _bitmap(memory, command, ratio_mask(elements & 0xFFF, elements >> 12, command.x, keep_empty))


def _segments(memory: Memory, command: Command, elements: Tensor) -> Result:
    signed = elements - ((elements >> 23) << 24)
    means: list[int] = []
    position = 0
    while len(means) < command.x and position < command.n:
        length = int(elements[position])
        if not 1 <= length <= min(MAXIMUM_LENGTH, command.n - position - 1):
            break
        means.append(segment_mean(signed[position + 1 : position + 1 + length]))
        position += 1 + length
    bad_data = len(means) != command.x or position != command.n
    scores, clipped = means, False
    if command.has(Flag.SEGLL_PAIR):
        scored = [path_score(q, d, command.z) for d, q in zip(means[::2], means[1::2], strict=False)]
        scores, clipped = [score for score, _ in scored], any(saturated for _, saturated in scored)
        bad_data |= command.x % 2 == 1
    memory.stored_keys(command, len(scores))[:] = encode(torch.tensor(scores, dtype=torch.int64), SQ7_16.key_format)
    return Result(len(scores), half_words(scores), SATURATED_VALUE if clipped else 0, bad_data)


def _cache(memory: Memory, command: Command, elements: Tensor) -> Result:
    experts = elements.tolist()
    if max(experts, default=0) > MAXIMUM_ID or len(set(experts)) != len(experts):
        return Result(bad_data=True)
    match CacheAction(command.mode):
        case CacheAction.FLUSH:
            flushed = range(len(memory.sets)) if command.x == ALL_SETS else [command.x]
            for number in flushed:
                memory.sets[number] = ExpertSet.empty(memory.parameters.ways)
            return Result()
        case CacheAction.RELEASE:
            memory.sets[command.x], lookups = memory.sets[command.x].release(experts)
        case _:
            memory.sets[command.x], lookups = memory.sets[command.x].access(experts, command.has(Flag.LRU_PIN))
            memory.counters.add(lookups, prefetch=command.mode == CacheAction.PREFETCH)
    return Result(sum(lookup.hit for lookup in lookups), [_lookup_word(lookup) for lookup in lookups])


def _lookup_word(lookup: Lookup) -> int:
    """15 hit, 14 victim valid, 13 no way left, 10:8 way, 7:0 victim."""
    word = lookup.hit << 15 | lookup.no_way << 13 | lookup.way << 8
    return word if lookup.victim is None else word | 1 << 14 | lookup.victim


OPERATIONS: dict[Opcode, Callable[[Memory, Command, Tensor], Result]] = {
    Opcode.NOP: _nothing,
    Opcode.INFO: _info,
    Opcode.LOAD: _load,
    Opcode.READKEYS: _read_keys,
    Opcode.TOPK: _topk,
    Opcode.FILTER: _filter,
    Opcode.FIRST: _first,
    Opcode.RANGE: _range,
    Opcode.GATHER: _gather,
    Opcode.PUTBM: _put_bitmap,
    Opcode.PREFIX: _prefix,
    Opcode.RATIO: _ratio,
    Opcode.SEGLL: _segments,
    Opcode.LRU: _cache,
}
