"""Random commands with their data, for every primitive: the cases where keys tie are the normal ones."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from formats.router.descriptor import (
    ALL_SETS,
    NO_SLOT,
    Bound,
    CacheAction,
    Command,
    Flag,
    KeyFormat,
    Opcode,
    Quota,
    RouterParameters,
)
from formats.router.legality import element_bytes, elements_due
from formats.router.stream import to_bytes


@dataclass(frozen=True)
class Problem:
    """A command, the bytes of its packet, and whether the framer had to end it."""

    command: Command
    data: bytes = b""
    aborted: bool = False


class Problems:
    """Draws problems for a router.

    Parameters
    ----------
    parameters
        The router's size.
    random
        Where everything is drawn from.
    """

    def __init__(self, parameters: RouterParameters, random: Random) -> None:
        self.parameters, self.random = parameters, random

    def draw(self, opcode: Opcode) -> Problem:
        """A legal command with an intact packet."""
        fields = _FIELDS[opcode](self)
        flags = fields.pop("flags", 0) | (Flag.OUT if self.random.random() < 0.8 else 0)
        command = Command(opcode, tag=self.random.randrange(256), flags=flags, **fields)
        if elements_due(command):
            command = Command(**{**vars(command), "flags": flags | Flag.DATA})
        return self.again(Problem(command))

    def again(self, problem: Problem) -> Problem:
        """The same command with other elements."""
        return Problem(problem.command, to_bytes(self._elements(problem.command), problem.command))

    def key(self) -> int:
        """Few different values, extremes among them: ties everywhere."""
        few = self.random.choice((2, 5, 1 << 24))
        return self.random.choice((0, 0xFFFFFF, 0x800000, self.random.randrange(few), self.random.randrange(few)))

    def tokens(self, base: int = 0) -> int:
        """A number of tokens that fits from ``base`` on, all sizes and the edges."""
        most = self.parameters.keys - 16 * base
        return self.random.choice((self.random.randint(0, most), self.random.randint(0, min(40, most)), most))

    def base(self) -> int:
        """Where keys may start, the end of the memory included."""
        return self.random.choice((0, self.random.randint(0, min(self.parameters.keys // 16, 255))))

    def slot(self) -> int:
        """A bitmap, or none."""
        return self.random.choice((NO_SLOT, self.random.randrange(self.parameters.slots)))

    def flag(self, mask: int) -> int:
        """The flag, or not."""
        return self.random.choice((0, mask))

    def _elements(self, command: Command) -> list[int]:
        due, random = elements_due(command), self.random
        if command.opcode == Opcode.PREFIX:
            return _prefix_elements(self, command)
        if command.opcode == Opcode.SEGLL:
            return _segments(self, command)
        if command.opcode == Opcode.LRU:
            known = (*range(23), 255)
            return random.sample(known, due) if random.random() < 0.9 else random.choices((*known, 256), k=due)
        if command.opcode == Opcode.RATIO:
            return [_ratio_element(random) for _ in range(due)]
        if command.opcode == Opcode.PUTBM:
            return [random.choice((0, 0xFFFF, random.getrandbits(16))) for _ in range(due)]
        narrow = command.mode in (KeyFormat.U16, KeyFormat.S16)
        return [self.key() & (0xFFFF if narrow else 0xFFFFFF) for _ in range(due)]


Fields = dict[str, int]


def _load(draw: Problems) -> Fields:
    base = draw.base()
    accumulate = draw.flag(Flag.LOAD_ACCUMULATE)
    formats = (KeyFormat.U16, KeyFormat.U24) if accumulate else tuple(KeyFormat)
    return {"n": draw.tokens(base), "base": base, "flags": accumulate | draw.random.choice(formats)}


def _read_keys(draw: Problems) -> Fields:
    base = draw.base()
    return {"n": draw.tokens(base), "base": base}


def _topk(draw: Problems) -> Fields:
    base, random = draw.base(), draw.random
    n = draw.tokens(base)
    key_bits = random.choice((0, 0, 24, random.randint(1, 24)))
    quota = random.choice(tuple(Quota))
    x = random.getrandbits(24) if quota == Quota.RATE else random.choice((random.randint(0, n + 2), 0xFFFFFF))
    flags = quota | draw.flag(Flag.TOPK_LAST) | draw.flag(Flag.TOPK_OUTSIDE) | key_bits << 4
    return {"n": n, "base": base, "x": x, "sa": draw.slot(), "sb": draw.slot(), "dst": draw.slot(), "flags": flags}


def _filter(draw: Problems) -> Fields:
    base, random = draw.base(), draw.random
    stored = draw.flag(Flag.FILTER_KEYS)
    bound = random.choice((Bound.NONE, Bound.FIELD) if stored else tuple(Bound))
    flags = random.choice(tuple(KeyFormat)) | stored | bound << 3
    for flag in (Flag.FILTER_LOW_CLOSED, Flag.FILTER_HIGH, Flag.FILTER_HIGH_CLOSED, Flag.FILTER_INVERT):
        flags |= draw.flag(flag)
    return {"n": draw.tokens(base), "base": base, "x": draw.key(), "y": draw.key(), "dst": draw.slot(), "flags": flags}


def _first(draw: Problems) -> Fields:
    base, random = draw.base(), draw.random
    bound = random.choice(tuple(Bound))
    row = random.choice((1, random.randint(1, 12), random.randint(1, 50)))
    if bound == Bound.TABLE:
        base = random.randint(0, (draw.parameters.keys - row) // 16)
    flags = random.choice(tuple(KeyFormat)) | bound << 3 | draw.flag(Flag.FIRST_CLOSED)
    if bound != Bound.NONE:
        flags |= draw.flag(Flag.FIRST_NONE)
    rows = random.choice((0, 1, random.randint(0, 20)))
    whole_row = rows == 1 and random.random() < 0.5
    return {"n": row * rows, "z": 0 if whole_row else row, "x": draw.key(), "base": base, "flags": flags}


def _range(draw: Problems) -> Fields:
    n = draw.tokens()
    start = draw.random.randint(0, n)
    length = draw.random.choice((0, draw.random.randint(0, n - start), n - start))
    return {
        "n": n,
        "x": start,
        "y": length,
        "sa": draw.slot(),
        "dst": draw.slot(),
        "flags": draw.flag(Flag.RANGE_INVERT),
    }


def _gather(draw: Problems) -> Fields:
    dst, random = draw.slot(), draw.random
    flags = draw.flag(Flag.GATHER_LIST) | (draw.flag(Flag.GATHER_WRITE) if dst != NO_SLOT else 0)
    tables = {"z": random.getrandbits(16), "y": random.getrandbits(24)}
    return {
        "n": draw.tokens(),
        "sa": draw.slot(),
        "sb": draw.slot(),
        "sc": draw.slot(),
        "dst": dst,
        "flags": flags,
    } | tables


def _put_bitmap(draw: Problems) -> Fields:
    return {"n": draw.tokens(), "dst": draw.slot()}


def _prefix(draw: Problems) -> Fields:
    if draw.random.random() < 0.5:
        return {"n": 3 * draw.random.randint(0, 12), "flags": Flag.PREFIX_STOCHASTIC}
    return {"n": 2 * draw.random.randint(0, 20) + 1}


def _prefix_elements(draw: Problems, command: Command) -> list[int]:
    random = draw.random
    if command.has(Flag.PREFIX_STOCHASTIC):
        triples = [(draw.key() >> random.choice((0, 0, 4)), draw.key(), draw.key()) for _ in range(command.n // 3)]
        return [value for triple in triples for value in triple]
    drafts = [draw.key() for _ in range(command.n // 2)]
    targets = [draft if random.random() < 0.8 else draw.key() for draft in drafts]
    return [value for pair in zip(drafts, targets, strict=True) for value in pair] + [draw.key()]


def _ratio(draw: Problems) -> Fields:
    x = draw.random.choice((0, 51, 256, draw.random.randint(0, 256)))
    return {"n": draw.tokens(), "x": x, "dst": draw.slot(), "flags": draw.flag(Flag.RATIO_KEEP_EMPTY)}


def _ratio_element(random: Random) -> int:
    total = random.choice((0, random.randint(0, 12), random.getrandbits(12)))
    return random.choice((0, total, random.randint(0, max(total, 1)), random.getrandbits(12))) | total << 12


def _segll(draw: Problems) -> Fields:
    random = draw.random
    pair = draw.flag(Flag.SEGLL_PAIR)
    segments = random.randint(0, 6)
    n = sum(random.randint(2, 6) for _ in range(segments))
    base = random.randint(0, (draw.parameters.keys - 16) // 16)
    return {"n": n, "x": segments, "z": random.choice((4096, 0, random.getrandbits(16))), "base": base, "flags": pair}


def _segments(draw: Problems, command: Command) -> list[int]:
    """Segments that fill the packet; now and then not as announced."""
    random, elements = draw.random, []
    bad = random.randrange(4 * command.x + 1)  # a segment, more often none of them
    for segment in range(command.x):
        rest = command.n - len(elements) - 2 * (command.x - segment - 1)
        length = rest - 1 if segment == command.x - 1 else random.randint(1, max(rest - 1, 1))
        if segment == bad:
            length = random.choice((0, 4096, length + 1, length + 1))
        elements += [length, *(draw.key() for _ in range(length if length < 64 else 1))]
    return (elements + [draw.key() for _ in range(command.n)])[: command.n]


def _lru(draw: Problems) -> Fields:
    random, parameters = draw.random, draw.parameters
    action = random.choice((*[CacheAction.ACCESS] * 4, CacheAction.PREFETCH, CacheAction.RELEASE, CacheAction.FLUSH))
    every_set = action == CacheAction.FLUSH and random.random() < 0.5
    x = ALL_SETS if every_set else random.randrange(parameters.sets)
    return {"n": random.choice((0, random.randint(0, 5), random.randint(0, 16))), "x": x} | {
        "flags": action | draw.flag(Flag.LRU_PIN)
    }


def _nothing(draw: Problems) -> Fields:
    return {}


_FIELDS: dict[Opcode, Callable[[Problems], Fields]] = {
    Opcode.NOP: _nothing,
    Opcode.INFO: _nothing,
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
    Opcode.SEGLL: _segll,
    Opcode.LRU: _lru,
}


_REPLACED = {"opcode": 8, "flags": 14, "dst": 8, "sa": 8, "sb": 8, "x": 24, "z": 16, "base": 8}
"""Fields and their bits."""


def mutilated(problem: Problem, random: Random) -> Problem:
    """The problem with some fields replaced, and any packet where it says that there is one."""
    fields = vars(problem.command).copy()
    for field, bits in _REPLACED.items():
        if random.random() < 0.06:
            fields[field] = random.getrandbits(bits)
    if random.random() < 0.3:
        fields["n"] = random.randint(0, 200)
    with_data = random.random() < 0.7 if random.random() < 0.2 else problem.command.has(Flag.DATA)
    fields["flags"] = fields["flags"] & ~Flag.DATA | (Flag.DATA if with_data else 0)
    command = Command(**fields)
    size = element_bytes(command)
    data = problem.data if problem.data and random.random() < 0.5 else random.randbytes(size * random.randint(1, 60))
    return Problem(command, data if with_data else b"", aborted=with_data and random.random() < 0.2)
