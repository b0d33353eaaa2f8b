"""Which commands are refused, and with which status."""

import pytest

from formats.router.descriptor import (
    ALL_SETS,
    NO_SLOT,
    Bound,
    CacheAction,
    Command,
    Flag,
    KeyFormat,
    Opcode,
    RouterParameters,
    Status,
)
from formats.router.legality import beats_due, elements_due, refusal

SMALL = RouterParameters(lanes=4, keys=64, slots=5, sets=3, ways=2)
FIELD, TABLE = Bound.FIELD << 3, Bound.TABLE << 3


def status(opcode: int, flags: int = 0, **fields: int) -> Status:
    """Status of a command whose DATA flag is set where elements are due."""
    command = Command(opcode, flags=flags, **fields)
    if elements_due(command):
        command = Command(opcode, flags=flags | Flag.DATA, **fields)
    return refusal(command, SMALL)


@pytest.mark.parametrize("opcode", [0x02, 0x0F, 0x18, 0x1F, 0x24, 0xFF])
def test_an_unknown_opcode_is_bad_op(opcode: int) -> None:
    assert status(opcode, flags=0x3FFF) == Status.BAD_OP


@pytest.mark.parametrize("opcode", [opcode for opcode in Opcode if opcode != Opcode.PREFIX])
def test_every_operation_takes_nothing_at_all(opcode: Opcode) -> None:
    fields = {"x": 0} if opcode == Opcode.LRU else {}
    assert status(opcode, **fields) == Status.OK


class TestBadArgument:
    @pytest.mark.parametrize(
        ("opcode", "flag"),
        [
            (Opcode.NOP, 1 << 0),
            (Opcode.INFO, 1 << 13),
            (Opcode.LOAD, 1 << 3),
            (Opcode.READKEYS, 1 << 0),
            (Opcode.TOPK, 1 << 9),
            (Opcode.FILTER, 1 << 9),
            (Opcode.FIRST, 1 << 2),
            (Opcode.FIRST, 1 << 7),
            (Opcode.RANGE, 1 << 1),
            (Opcode.GATHER, 1 << 2),
            (Opcode.PUTBM, 1 << 0),
            (Opcode.PREFIX, 1 << 1),
            (Opcode.RATIO, 1 << 1),
            (Opcode.SEGLL, 1 << 1),
            (Opcode.LRU, 1 << 3),
        ],
    )
    def test_reserved_flags(self, opcode: Opcode, flag: int) -> None:
        assert status(opcode, flags=flag, n=int(opcode == Opcode.PREFIX)) == Status.BAD_ARG

    @pytest.mark.parametrize(
        ("opcode", "fields"),
        [
            (Opcode.LOAD, {"flags": Flag.LOAD_ACCUMULATE | KeyFormat.S16}),
            (Opcode.LOAD, {"flags": Flag.LOAD_ACCUMULATE | KeyFormat.S24}),
            (Opcode.TOPK, {"flags": 3}),
            (Opcode.TOPK, {"flags": 25 << 4}),
            (Opcode.FILTER, {"flags": 3 << 3}),
            (Opcode.FILTER, {"flags": Flag.FILTER_KEYS | TABLE}),
            (Opcode.FIRST, {"flags": 3 << 3}),
            (Opcode.FIRST, {"flags": Flag.FIRST_NONE}),
            (Opcode.GATHER, {"flags": Flag.GATHER_WRITE}),
            (Opcode.RATIO, {"x": 257}),
        ],
    )
    def test_reserved_values_and_contradictions(self, opcode: Opcode, fields: dict[str, int]) -> None:
        assert status(opcode, n=1, **fields) == Status.BAD_ARG

    @pytest.mark.parametrize(
        ("opcode", "fields"),
        [
            (Opcode.LOAD, {"flags": Flag.LOAD_ACCUMULATE | KeyFormat.U24}),
            (Opcode.TOPK, {"flags": 24 << 4 | 2}),
            (Opcode.FILTER, {"flags": Flag.FILTER_KEYS | FIELD}),
            (Opcode.FIRST, {"flags": Flag.FIRST_NONE | FIELD}),
            (Opcode.GATHER, {"flags": Flag.GATHER_WRITE, "dst": 0}),
            (Opcode.RATIO, {"x": 256}),
        ],
    )
    def test_their_legal_neighbours(self, opcode: Opcode, fields: dict[str, int]) -> None:
        assert status(opcode, n=1, **fields) == Status.OK

    @pytest.mark.parametrize(
        ("command", "takes_data"),
        [
            (Command(Opcode.NOP), False),
            (Command(Opcode.READKEYS, n=1), False),
            (Command(Opcode.TOPK, n=1), False),
            (Command(Opcode.GATHER, n=1), False),
            (Command(Opcode.LOAD, n=1), True),
            (Command(Opcode.LOAD, n=0), False),
            (Command(Opcode.FILTER, n=1), True),
            (Command(Opcode.FILTER, flags=Flag.FILTER_KEYS, n=1), False),
            (Command(Opcode.PUTBM, n=1), True),
            (Command(Opcode.LRU, n=1), True),
            (Command(Opcode.LRU, flags=CacheAction.FLUSH, n=1), False),
        ],
    )
    def test_data_follow_exactly_where_elements_are_due(self, command: Command, takes_data: bool) -> None:
        for has_data in (False, True):
            flags = command.flags | (Flag.DATA if has_data else 0)
            expected = Status.OK if has_data == takes_data else Status.BAD_ARG
            assert refusal(Command(command.opcode, flags=flags, n=command.n, x=command.x), SMALL) == expected


class TestBadSlot:
    @pytest.mark.parametrize(
        ("opcode", "field"),
        [
            *[(Opcode.TOPK, field) for field in ("sa", "sb", "dst")],
            (Opcode.FILTER, "dst"),
            *[(Opcode.RANGE, field) for field in ("sa", "dst")],
            *[(Opcode.GATHER, field) for field in ("sa", "sb", "sc", "dst")],
            (Opcode.PUTBM, "dst"),
            (Opcode.RATIO, "dst"),
        ],
    )
    def test_slots_an_operation_looks_at(self, opcode: Opcode, field: str) -> None:
        slots = (0, 4, 5, 254, NO_SLOT)
        expected = [Status.OK, Status.OK, Status.BAD_SLOT, Status.BAD_SLOT, Status.OK]
        assert [status(opcode, n=1, **{field: slot}) for slot in slots] == expected

    def test_other_slots_are_ignored(self) -> None:
        assert status(Opcode.LOAD, n=1, dst=200, sa=200, sb=200, sc=200) == Status.OK
        assert status(Opcode.TOPK, n=1, sc=200) == Status.OK


class TestBadN:
    @pytest.mark.parametrize(
        ("opcode", "legal", "too_much"),
        [
            (Opcode.LOAD, {"n": 48, "base": 1}, {"n": 49, "base": 1}),
            (Opcode.READKEYS, {"n": 16, "base": 3}, {"n": 17, "base": 3}),
            (Opcode.READKEYS, {"n": 0, "base": 4}, {"n": 0, "base": 5}),
            (Opcode.TOPK, {"n": 32, "base": 2}, {"n": 33, "base": 2}),
            (Opcode.FILTER, {"n": 64, "base": 9}, {"n": 65}),
            (Opcode.FILTER, {"n": 48, "base": 1, "flags": TABLE}, {"n": 49, "base": 1, "flags": TABLE}),
            (
                Opcode.FILTER,
                {"n": 48, "base": 1, "flags": Flag.FILTER_KEYS},
                {"n": 49, "base": 1, "flags": Flag.FILTER_KEYS},
            ),
            (Opcode.FIRST, {"n": 2**18, "base": 9}, {"n": 2**18 + 1}),
            (Opcode.FIRST, {"n": 9, "z": 3}, {"n": 10, "z": 3}),
            (Opcode.FIRST, {"n": 96, "z": 48, "base": 1, "flags": TABLE}, {"n": 49, "base": 1, "flags": TABLE}),
            (Opcode.RANGE, {"n": 64, "x": 60, "y": 4}, {"n": 64, "x": 60, "y": 5}),
            (Opcode.RANGE, {"n": 64}, {"n": 65}),
            (Opcode.GATHER, {"n": 64}, {"n": 65}),
            (Opcode.PUTBM, {"n": 64}, {"n": 65}),
            (Opcode.RATIO, {"n": 64}, {"n": 65}),
            (Opcode.PREFIX, {"n": 511}, {"n": 513}),
            (Opcode.PREFIX, {"n": 1}, {"n": 0}),
            (Opcode.PREFIX, {"n": 3}, {"n": 4}),
            (Opcode.PREFIX, {"n": 765, "flags": 1}, {"n": 768, "flags": 1}),
            (Opcode.PREFIX, {"n": 6, "flags": 1}, {"n": 5, "flags": 1}),
            (Opcode.SEGLL, {"n": 2**18, "x": 48, "base": 1}, {"n": 2**18 + 1, "x": 48, "base": 1}),
            (Opcode.SEGLL, {"n": 98, "x": 48, "base": 1}, {"n": 98, "x": 49, "base": 1}),
            (Opcode.SEGLL, {"n": 98, "x": 97, "base": 1, "flags": 1}, {"n": 98, "x": 98, "base": 1, "flags": 1}),
            (Opcode.LRU, {"n": 16, "x": 2}, {"n": 17, "x": 2}),
            (Opcode.LRU, {"n": 1, "x": 2}, {"n": 1, "x": 3}),
            (Opcode.LRU, {"x": ALL_SETS, "flags": CacheAction.FLUSH}, {"x": ALL_SETS}),
        ],
    )
    def test_limits(self, opcode: Opcode, legal: dict[str, int], too_much: dict[str, int]) -> None:
        assert (status(opcode, **legal), status(opcode, **too_much)) == (Status.OK, Status.BAD_N)


def test_the_lowest_status_is_answered() -> None:
    assert status(Opcode.RANGE, flags=1 << 5, n=99, dst=99) == Status.BAD_ARG
    assert status(Opcode.RANGE, n=99, dst=99) == Status.BAD_SLOT
    assert status(Opcode.RANGE, n=99) == Status.BAD_N


@pytest.mark.parametrize(
    ("command", "beats"),
    [
        (Command(Opcode.LOAD, n=9), 3),
        (Command(Opcode.FILTER, n=8), 2),
        (Command(Opcode.FIRST, n=15, z=5), 6),
        (Command(Opcode.FIRST, n=15), 4),
        (Command(Opcode.FIRST, n=0, z=5), 0),
        (Command(Opcode.PUTBM, n=33), 3),
        (Command(Opcode.RATIO, n=7), 7),
        (Command(Opcode.PREFIX, n=7), 7),
        (Command(Opcode.NOP, n=7), 0),
    ],
)
def test_beats_depend_on_the_command_alone(command: Command, beats: int) -> None:
    assert beats_due(command, SMALL) == beats
