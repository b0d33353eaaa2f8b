"""What each command answers and leaves in memory."""

import pytest

from formats.router.descriptor import (
    ALL_SETS,
    SATURATED_KEY,
    SATURATED_VALUE,
    Bound,
    CacheAction,
    Flag,
    KeyFormat,
    Opcode,
    Quota,
    Status,
)
from tests.golden_models.router.host import Host, state


class TestKeys:
    @pytest.mark.parametrize(
        ("key_format", "element", "words"),
        [
            (KeyFormat.U16, 0xFFFE, (0xFFFE, 0)),
            (KeyFormat.U24, 0xFFFFFE, (0xFFFE, 0x00FF)),
            (KeyFormat.S16, -2, (0x7FFE, 0)),
            (KeyFormat.S24, -2, (0xFFFE, 0x007F)),
        ],
    )
    def test_formats(self, host: Host, key_format: KeyFormat, element: int, words: tuple[int, int]) -> None:
        assert host.run(Opcode.LOAD, [element], flags=key_format, n=1, base=2).count == 1
        assert host.run(Opcode.READKEYS, n=1, base=2).payload == words
        assert not host.unit.memory.keys[:32].any()

    def test_accumulating_and_clipping(self, host: Host) -> None:
        host.load([1, 2, 3, 0xFFFFF0])
        flags = Flag.LOAD_ACCUMULATE | KeyFormat.U16
        assert host.run(Opcode.LOAD, [10, 0, 65535, 15], flags=flags, n=4).sticky == 0
        assert host.run(Opcode.LOAD, [0, 0, 0, 1], flags=flags, n=4).sticky == SATURATED_KEY
        assert host.run(Opcode.LOAD, [0, 0, 0, 0], flags=flags, n=4).sticky == 0
        assert host.unit.memory.keys[:4].tolist() == [11, 2, 65538, 0xFFFFFF]


class TestBitmaps:
    def test_writing_clears_the_rest_of_the_last_word_and_leaves_later_ones(self, host: Host) -> None:
        host.run(Opcode.PUTBM, [0xFFFF] * 3, n=48, dst=1)
        assert host.run(Opcode.PUTBM, [0xFFFF, 0xFFFF], n=20, dst=1).count == 20
        assert host.bitmap(1, n=48) == (0xFFFF, 0x000F, 0xFFFF)

    def test_nothing_is_written_for_no_token(self, host: Host) -> None:
        host.put(1, 0xFFFF)
        for opcode in (Opcode.PUTBM, Opcode.TOPK, Opcode.FILTER, Opcode.RANGE, Opcode.RATIO):
            assert host.run(opcode, n=0, dst=1).words()[:1] == (Status.OK,)
        assert host.bitmap(1) == (0xFFFF,)

    def test_topk_takes_everything_from_memory(self, host: Host) -> None:
        host.load([5, 9, 9, 1, 9, 7, 0, 9], base=1)
        host.put(0, 0b1110_1101)
        host.put(1, 0b0100_1000)
        answer = host.run(Opcode.TOPK, flags=Quota.KEEP, n=8, x=3, base=1, sa=0, sb=1, dst=2)
        assert (answer.payload, answer.count) == ((0b0100_1100,), 3)
        assert host.bitmap(2) == answer.payload

    def test_topk_modes(self, host: Host) -> None:
        host.load([5, 9, 9, 1, 9, 7, 0, 9])
        last = Flag.TOPK_LAST
        for flags, x, word in [
            (Quota.DROP | last, 3, 0x00B6),
            (Quota.RATE | last, 8388608, 0x0096),
            (Quota.KEEP | 3 << 4, 3, 0x0023),  # low three bits: 5 1 1 1 1 7 0 1
        ]:
            assert host.run(Opcode.TOPK, flags=flags, n=8, x=x).payload == (word,)
        host.put(0, 0b0011_1100)
        assert host.run(Opcode.TOPK, flags=Flag.TOPK_OUTSIDE, n=8, x=1, sa=0).payload == (0x00C7,)

    def test_an_operand_may_be_overwritten(self, host: Host) -> None:
        host.load([3, 2, 1])
        host.put(0, 0b110)
        host.run(Opcode.TOPK, n=3, x=1, sa=0, dst=0)
        assert host.bitmap(0) == (0b010,)

    def test_filter_from_the_stream(self, host: Host) -> None:
        low, high = Bound.FIELD << 3 | Flag.FILTER_LOW_CLOSED, Flag.FILTER_HIGH | Flag.FILTER_HIGH_CLOSED
        keys, u24 = [10, 20, 20, 30, 40], KeyFormat.U24
        assert host.run(Opcode.FILTER, keys, flags=u24 | low | high, n=5, x=20, y=30, dst=3).payload == (0x000E,)
        assert host.bitmap(3) == (0x000E,)
        inverted = low | high | Flag.FILTER_INVERT
        assert host.run(Opcode.FILTER, keys, flags=u24 | inverted, n=5, x=20, y=30).payload == (0x0011,)
        assert not host.unit.memory.keys.any()

    def test_filter_from_memory_and_by_a_table(self, host: Host) -> None:
        host.load([10, 20, 20, 30, 40])
        host.load([9, 20, 19, 0xFFFFFF, 0], base=1)
        answer = host.run(Opcode.FILTER, flags=Flag.FILTER_KEYS | Bound.FIELD << 3, n=5, x=20)
        assert (answer.payload, answer.count) == ((0x0018,), 2)
        by_table = KeyFormat.U24 | Bound.TABLE << 3
        assert host.run(Opcode.FILTER, [10, 20, 20, 30, 40], flags=by_table, n=5, base=1).payload == (0x0015,)

    def test_range_with_a_mask(self, host: Host) -> None:
        host.put(0, 0x0015)
        assert host.run(Opcode.RANGE, n=10, x=3, y=4, dst=1).payload == (0x0387,)
        assert host.run(Opcode.RANGE, n=10, x=3, y=4, sa=0).payload == (0x0005,)
        assert host.run(Opcode.RANGE, flags=Flag.RANGE_INVERT, n=10, x=3, y=4, sa=0).payload == (0x0010,)
        assert host.bitmap(1) == (0x0387,)

    def test_ratio(self, host: Host) -> None:
        elements = [hits | total << 12 for hits, total in [(1, 5), (0, 5), (0, 0), (51, 256), (50, 256), (1, 6)]]
        answer = host.run(Opcode.RATIO, elements, flags=Flag.RATIO_KEEP_EMPTY, n=6, x=51, dst=1)
        assert (answer.payload, answer.count) == ((0b1101,), 3)
        assert host.bitmap(1) == (0b1101,)

    def test_gather_answers_one_table_and_writes_another(self, host: Host) -> None:
        for slot, word in enumerate([0b10111011, 0b10101001, 0b00000001, 0b00010000]):
            host.put(slot, word, n=8)
        slots = {"n": 8, "sa": 0, "sb": 1, "sc": 2, "dst": 3}
        listed = host.run(Opcode.GATHER, flags=Flag.GATHER_WRITE | Flag.GATHER_LIST, z=0x0002, y=0xFF02, **slots)
        assert (listed.payload, listed.count) == ((1,), 1)
        assert host.bitmap(3) == (0x0012,)

    def test_gather_without_writing_only_reads_dst(self, host: Host) -> None:
        host.put(3, 0x00F0)
        assert host.run(Opcode.GATHER, n=16, dst=3, z=0xFF00, y=0xFFFF).payload == (0x00F0,)
        assert host.run(Opcode.GATHER, n=16, z=0x0001).payload == (0xFFFF,)
        assert host.bitmap(3) == (0x00F0,)


class TestRows:
    keys = (3, 9, 9, 1, 8, 1, 2, 9, 1, 1, 1, 1, 5, 6, 6, 2)
    by_field = KeyFormat.U16 | Bound.FIELD << 3

    def test_a_row_answers_an_index_and_a_flag(self, host: Host) -> None:
        answer = host.run(Opcode.FIRST, self.keys, flags=self.by_field, n=16, z=4, x=5)
        assert answer.payload == (1, 0, 0, 0, 0, 0x8000, 1, 0)
        assert answer.count == 3

    def test_none_and_closed(self, host: Host) -> None:
        flags = self.by_field | Flag.FIRST_NONE | Flag.FIRST_CLOSED
        answer = host.run(Opcode.FIRST, self.keys, flags=flags, n=16, z=4, x=9)
        assert answer.payload == (1, 0, 3, 0, 4, 0x8000, 4, 0x8000)

    def test_a_table_of_bounds(self, host: Host) -> None:
        host.load([5, 8, 8, 0], base=1)
        flags = KeyFormat.U16 | Bound.TABLE << 3
        answer = host.run(Opcode.FIRST, self.keys, flags=flags, n=16, z=4, base=1)
        assert answer.payload == (1, 0, 0, 0, 3, 0, 3, 0)

    def test_one_long_row_has_an_argmax_beyond_16_bits(self, host: Host) -> None:
        keys = [0] * 70000
        keys[66000] = 1
        answer = host.run(Opcode.FIRST, keys, flags=KeyFormat.U16, n=70000)
        assert (answer.payload, answer.count) == ((66000 - 65536, 0x8001), 0)

    def test_no_row(self, host: Host) -> None:
        assert host.run(Opcode.FIRST, n=0, z=4).words() == (0, 0x13, 0, 0)


class TestPrefix:
    @pytest.mark.parametrize(
        ("elements", "count", "following"),
        [([5, 5, 6, 6, 7, 8, 9], 2, 8), ([5, 5, 6, 6, 7, 7, 0x12345], 3, 0x12345), ([4], 0, 4)],
    )
    def test_greedy(self, host: Host, elements: list[int], count: int, following: int) -> None:
        answer = host.run(Opcode.PREFIX, elements, n=len(elements))
        assert (answer.count, answer.payload) == (count, (following & 0xFFFF, following >> 16))

    def test_stochastic(self, host: Host) -> None:
        elements = [0, 2**23, 2**22, 2**23, 2**23, 2**22]
        answer = host.run(Opcode.PREFIX, elements, flags=Flag.PREFIX_STOCHASTIC, n=6)
        assert (answer.count, answer.payload) == (1, ())


class TestSegments:
    pair = (3, -65536, -131072, -262144, 2, -32768, -16384)

    def test_values_leave_and_become_keys(self, host: Host) -> None:
        answer = host.run(Opcode.SEGLL, self.pair, n=7, x=2, base=1)
        assert answer.count == 2
        assert answer.payload == (-152917 & 0xFFFF, 0xFFFD, -24576 & 0xFFFF, 0xFFFF)
        assert host.unit.memory.keys[16:18].tolist() == [0x800000 - 152917, 0x800000 - 24576]

    def test_a_pair_is_one_path(self, host: Host) -> None:
        answer = host.run(Opcode.SEGLL, self.pair, flags=Flag.SEGLL_PAIR, n=7, x=2, z=4096)
        assert (answer.count, answer.sticky) == (1, 0)
        assert answer.payload == (-177493 & 0xFFFF, -177493 >> 16 & 0xFFFF)

    def test_saturation_is_told(self, host: Host) -> None:
        answer = host.run(Opcode.SEGLL, [1, -(2**23), 1, -1], flags=Flag.SEGLL_PAIR, n=4, x=2, z=4096)
        assert answer.sticky == SATURATED_VALUE
        assert host.unit.memory.keys[0] == 0

    @pytest.mark.parametrize(
        ("elements", "x", "flags", "values"),
        [
            ([1, 5, 0, 9], 2, 0, 1),  # a header of 0
            ([1, 5, 2, 9], 2, 0, 1),  # longer than what is left
            ([1, 5, 1, 9], 3, 0, 2),  # a segment is missing
            ([1, 5, 1, 9], 1, 0, 1),  # elements are left
            ([1, 5, 1, 9], 0, 0, 0),
            ([4096, *[1] * 4096], 1, 0, 0),  # too long
            ([1, 5, 1, 9, 1, 7], 3, Flag.SEGLL_PAIR, 1),  # a document without a query
            ([], 1, 0, 0),
        ],
    )
    def test_damaged_segments(self, host: Host, elements: list[int], x: int, flags: int, values: int) -> None:
        answer = host.run(Opcode.SEGLL, elements, flags=flags, n=len(elements), x=x)
        assert (answer.status, answer.count, len(answer.payload)) == (Status.BAD_DATA, values, 2 * values)
        assert int((host.unit.memory.keys != 0).sum()) == values


class TestCache:
    def test_words_say_hit_way_and_victim(self, host: Host) -> None:
        words = [host.run(Opcode.LRU, [expert], n=1, x=1).payload for expert in (3, 5, 3, 7, 5)]
        assert words == [(0x0000,), (0x0100,), (0x8000,), (0x4105,), (0x4003,)]

    def test_words_come_in_the_order_of_the_command(self, host: Host) -> None:
        host.run(Opcode.LRU, [1, 2], n=2)
        answer = host.run(Opcode.LRU, [4, 1], n=2)
        assert (answer.payload, answer.count) == ((0x4102, 0x8000), 1)

    def test_pins(self, host: Host) -> None:
        host.run(Opcode.LRU, [1, 2], flags=Flag.LRU_PIN, n=2)
        assert host.run(Opcode.LRU, [3], n=1).payload == (0x2000,)
        released = host.run(Opcode.LRU, [9, 1], flags=CacheAction.RELEASE, n=2)
        assert (released.payload, released.count) == ((0x0000, 0x8000), 1)
        assert host.run(Opcode.LRU, [3], n=1).payload == (0x4001,)

    def test_sets_are_separate_and_can_be_flushed(self, host: Host) -> None:
        for number in (0, 1):
            host.run(Opcode.LRU, [1], flags=Flag.LRU_PIN, n=1, x=number)
        assert host.run(Opcode.LRU, flags=CacheAction.FLUSH, x=0).words() == (0, 0x23, 0, 0)
        assert [host.run(Opcode.LRU, [1], n=1, x=number).count for number in (0, 1)] == [0, 1]
        host.run(Opcode.LRU, flags=CacheAction.FLUSH, x=ALL_SETS)
        assert [host.run(Opcode.LRU, [1], n=1, x=number).count for number in (0, 1)] == [0, 0]

    @pytest.mark.parametrize("experts", [[1, 1], [256]])
    def test_bad_experts_change_nothing(self, host: Host, experts: list[int]) -> None:
        before = state(host.unit)
        answer = host.run(Opcode.LRU, experts, n=len(experts))
        assert (answer.status, answer.payload, answer.count) == (Status.BAD_DATA, (), 0)
        assert state(host.unit) == before
