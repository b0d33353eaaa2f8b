"""Commands and data in, answers out."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.router.answer import Answer
from formats.router.descriptor import (
    NO_SLOT,
    Bound,
    CacheAction,
    Command,
    Flag,
    KeyFormat,
    Opcode,
    Quota,
    RouterParameters,
    Status,
)
from formats.router.legality import element_bytes, elements_due
from formats.router.stream import to_bytes
from golden_models.router.unit import RouterUnit
from tests.golden_models.router.host import Host, command, state


class TestAnswer:
    def test_a_trailer_is_status_tag_opcode_sticky_and_count(self) -> None:
        answer = Answer((1, 2), Status.BAD_N, tag=0x5A, opcode=Opcode.TOPK, sticky=2, count=0x12345)
        assert answer.words() == (1, 2, 0x5A04, 0x0211, 0x2345, 0x0001)

    def test_the_payload_comes_only_when_asked_for(self, host: Host) -> None:
        host.load([5, 9])
        asked = host.run(Opcode.TOPK, n=2, x=1, tag=7)
        not_asked = host.unit.execute(Command(Opcode.TOPK, tag=7, n=2, x=1))
        assert asked.words() == (0x0002, 0x0700, 0x0011, 1, 0)
        assert not_asked.words() == (0x0700, 0x0011, 1, 0)

    def test_info(self) -> None:
        host = Host(RouterParameters(lanes=16, digit_bits=6, keys=128, slots=9, sets=3, ways=4))
        host.run(Opcode.LRU, [1, 2], n=2)
        host.run(Opcode.LRU, [2, 3, 4], n=3, flags=CacheAction.PREFETCH)
        assert host.run(Opcode.INFO).payload == (1, 16, 6, 128, 9, 3, 4, 0, 0, 0, 2, 0, 1, 0, 2, 0)

    def test_nop(self, host: Host) -> None:
        assert host.run(Opcode.NOP, tag=3).words() == (0x0300, 0x0000, 0, 0)

    @pytest.mark.parametrize(("flags", "data"), [(0, b"\x00"), (Flag.DATA, b"")])
    def test_data_and_their_flag_go_together(self, host: Host, flags: int, data: bytes) -> None:
        with pytest.raises(ValueError, match=f"flag DATA is {bool(flags)}, but {len(data)} bytes of data are given"):
            host.unit.execute(Command(Opcode.LOAD, flags=flags, n=1), data)


class TestRefusal:
    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            (Command(0x7F, flags=Flag.DATA | Flag.OUT, tag=9), Status.BAD_OP),
            (command(Opcode.LOAD, flags=1 << 13, data=True, n=4, tag=9), Status.BAD_ARG),
            (command(Opcode.PUTBM, data=True, n=4, dst=8, tag=9), Status.BAD_SLOT),
            (command(Opcode.LOAD, data=True, n=65, tag=9), Status.BAD_N),
            (command(Opcode.LRU, data=True, n=17, tag=9), Status.BAD_N),
        ],
    )
    def test_it_has_no_effect_and_no_payload_and_the_data_are_drained(self, sent: Command, status: Status) -> None:
        host = Host()
        host.load(list(range(20)))
        host.put(0, 0x00FF)
        before = state(host.unit)
        answer = host.unit.execute(sent, b"\x01\x02\x03\x04\x05")
        assert answer == Answer((), status, tag=9, opcode=sent.opcode, sticky=0, count=0)
        assert state(host.unit) == before


class TestEndOfData:
    load = command(Opcode.LOAD, flags=KeyFormat.S24, data=True, n=8)

    def stored(self, host: Host) -> tuple[int, ...]:
        return host.run(Opcode.READKEYS, n=8).payload[1::2]

    def test_missing_elements_read_as_zero(self, host: Host) -> None:
        answer = host.unit.execute(self.load, to_bytes([-1] * 4, self.load))
        assert (answer.status, answer.count) == (Status.SHORT, 8)
        assert self.stored(host) == (0x7F,) * 4 + (0x80,) * 4

    def test_further_elements_are_drained(self, host: Host) -> None:
        answer = host.unit.execute(self.load, to_bytes([-1] * 9, self.load))
        assert (answer.status, answer.count) == (Status.LONG, 8)
        assert self.stored(host) == (0x7F,) * 8

    def test_a_beat_filled_up_with_zeros_is_complete(self, host: Host) -> None:
        assert host.unit.execute(self.load, to_bytes([-1] * 5, self.load)).status == Status.OK
        assert self.stored(host) == (0x7F,) * 5 + (0x80,) * 3

    @pytest.mark.parametrize(("elements", "status"), [(4, Status.SHORT), (8, Status.ABORT), (9, Status.LONG)])
    def test_a_packet_ended_by_the_framer(self, host: Host, elements: int, status: Status) -> None:
        data = to_bytes([-1] * elements, self.load)
        assert host.unit.execute(self.load, data, aborted=True).status == status

    def test_bad_data_come_last(self, host: Host) -> None:
        sent = command(Opcode.SEGLL, data=True, n=3, x=1)
        for elements, status in [([0, 0, 0], Status.BAD_DATA), ([0], Status.SHORT), ([0] * 4, Status.LONG)]:
            assert host.unit.execute(sent, to_bytes(elements, sent)).status == status

    def test_rows_cut_short_keep_their_places(self, host: Host) -> None:
        sent = command(Opcode.FIRST, flags=KeyFormat.U24 | Bound.FIELD << 3, data=True, n=10, z=5, x=5)
        answer = host.unit.execute(sent, to_bytes([9, 9, 9, 9, 9, 9], sent))
        assert (answer.status, answer.payload) == (Status.SHORT, (0, 0, 0, 0))

    @pytest.mark.parametrize("elements", [[1], [1, 2, 3]])
    def test_the_cache_does_nothing_with_damaged_data(self, host: Host, elements: list[int]) -> None:
        before = state(host.unit)
        answer = host.run(Opcode.LRU, elements, n=2)
        assert answer.status == (Status.SHORT if len(elements) == 1 else Status.LONG)
        assert (answer.payload, answer.count) == ((), 0)
        assert state(host.unit) == before


@settings(max_examples=2000, deadline=None)
@given(
    sent=st.builds(
        Command,
        opcode=st.sampled_from([opcode for opcode in Opcode if opcode != Opcode.INFO]),  # it tells the lanes
        flags=st.integers(0, 0x1FF),
        n=st.integers(0, 70),
        dst=st.sampled_from([0, 1, 9, NO_SLOT]),
        x=st.integers(0, 10),
        sa=st.sampled_from([0, 1, NO_SLOT]),
        y=st.integers(0, 10),
        z=st.integers(0, 5),
        base=st.integers(0, 4),
    ),
    data=st.binary(min_size=1, max_size=80),
)
def test_lanes_change_no_answer_to_complete_data(sent: Command, data: bytes) -> None:
    length = elements_due(sent) * element_bytes(sent)
    complete = (data * 200)[:length]
    sent = replace(sent, flags=sent.flags | Flag.OUT | (Flag.DATA if complete else 0))
    answers = []
    for lanes in (4, 8, 16):
        unit = RouterUnit(RouterParameters(lanes=lanes, keys=64, slots=2, sets=2, ways=2))
        answers.append((unit.execute(sent, complete), state(unit)))
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("seed", range(10))
def test_one_layer_of_lazyllm_equals_sets(host: Host, seed: int) -> None:
    """The four steps of a layer, against Python's sets (arXiv 2407.14057 §3)."""
    generator = torch.Generator().manual_seed(seed)
    n, drawn = 16, torch.randint(0, 1 << 16, (5,), generator=generator).tolist()
    keys = torch.randint(0, 6, (n,), generator=generator).tolist()
    selected, cached, next_cached, saved, next_saved, keep = range(6)
    for slot, word in enumerate(drawn):
        host.put(slot, word)
    sets = [{i for i in range(n) if word >> i & 1} for word in drawn]
    reused = host.run(Opcode.GATHER, flags=Flag.GATHER_LIST, n=n, sa=cached, sb=selected, z=0x8888)
    assert set(reused.payload) == sets[cached] & sets[selected]
    revived = host.run(Opcode.GATHER, flags=Flag.GATHER_LIST, n=n, sa=saved, sb=selected, sc=cached, z=0x0808)
    assert set(revived.payload) == (sets[saved] & sets[selected]) - sets[cached]
    host.run(Opcode.GATHER, flags=Flag.GATHER_WRITE, n=n, sa=selected, dst=cached, y=0xFFAA)
    host.load(keys)
    host.run(Opcode.TOPK, flags=Quota.RATE | Flag.TOPK_LAST, n=n, x=5033165, sa=selected, dst=keep)
    stored = host.run(
        Opcode.GATHER,
        flags=Flag.GATHER_LIST | Flag.GATHER_WRITE,
        n=n,
        sa=selected,
        sb=keep,
        sc=next_cached,
        dst=next_saved,
        z=0x0002,
        y=0xFF02,
    )
    ranked = sorted(sets[selected], key=lambda i: (i != n - 1, -keys[i], i))
    kept = set(ranked[: len(ranked) - 3 * len(ranked) // 10])
    dropped = sets[selected] - kept
    assert set(stored.payload) == dropped - sets[next_cached] - sets[next_saved]
    words = [sum(1 << i for i in members) for members in (kept, sets[cached] | sets[selected])]
    assert [host.bitmap(keep), host.bitmap(cached)] == [(word,) for word in words]
    assert host.bitmap(next_saved) == (sum(1 << i for i in sets[next_saved] | (dropped - sets[next_cached])),)
