"""Sums in, totals out: queue, order, padding and slots."""

import itertools
from collections import deque
from random import Random

import cocotb
import torch
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge

from formats.engine import RESULT_SLOTS, EngineParameters
from hw.engine.accumulators import Accumulators
from tests.hw.packed import to_fields, to_vectors
from tests.hw.streams import PATTERNS, Pattern, Sink, Stream, start

PARAMETERS = EngineParameters(
    ("scaled-4bit", "scaled-2bit"), port_bytes=16, activation_bits=8, batch=2, maximum_columns=64
)
LANES = max(PARAMETERS.lanes_for(f) for f in PARAMETERS.weight_formats)
SUM_BITS = 18
DELAY = 9
"""Cycles from a block's entry into the lanes to its sums."""


def subjects() -> dict[str, Accumulators]:
    """The one component, by name."""
    return {"dut": Accumulators(PARAMETERS, SUM_BITS)}


class Lanes:
    """Stands for sequencer and lanes: announces row groups as slots permit and delivers sums later.

    Parameters
    ----------
    groups
        Sums of each row group, int64 [blocks, lanes * batch].
    """

    def __init__(self, dut: HierarchyObject, groups: list[torch.Tensor], pattern: Pattern, random: Random) -> None:
        self._dut, self._pattern, self._random = dut, pattern, random
        blocks = []
        for group in groups:
            vectors = to_vectors(group.numpy(), SUM_BITS)
            blocks += [(vector, index == len(group) - 1) for index, vector in enumerate(vectors)]
        self._waiting = deque(blocks)
        self._inside: deque[tuple[int, bool] | None] = deque([None] * DELAY)
        self.reserved = 0
        self.stalled = 0

    async def deliver(self) -> None:
        """Run until every block has been delivered; outside ``valid`` the sums are noise."""
        dut = self._dut
        while self._waiting or any(self._inside):
            await FallingEdge(dut.clk)
            block = self._next_block()
            dut.dut__reserve.value = int(bool(block and block[1]))
            self._inside.append(block)
            leaving = self._inside.popleft()
            dut.dut__valid.value = int(leaving is not None)
            dut.dut__last.value = int(leaving[1] if leaving else self._random.randrange(2))
            dut.dut__sums.value = leaving[0] if leaving else self._random.getrandbits(SUM_BITS * LANES * 2)
        await FallingEdge(dut.clk)
        dut.dut__valid.value = 0

    def _next_block(self) -> tuple[int, bool] | None:
        if not self._waiting or not self._pattern(self._random):
            return None
        if self._waiting[0][1]:
            if not self._dut.dut__slot_free.value:
                self.stalled += 1
                return None
            self.reserved += 1
        return self._waiting.popleft()


@cocotb.test()
async def totals_leave_exact_and_in_order_whatever_stalls(dut: HierarchyObject) -> None:
    torch.manual_seed(11)
    random = Random(12)
    dut.dut__valid.value = dut.dut__reserve.value = 0
    await start(dut)
    patterns = list(itertools.product(PATTERNS.values(), PATTERNS.values()))
    for (lane_pattern, sink_pattern), position, vectors in zip(
        patterns, itertools.cycle((0, 1, 1)), itertools.cycle((1, 2)), strict=False
    ):
        dut.dut__format.value, dut.dut__vectors.value = position, vectors - 1
        limit = 1 << (SUM_BITS - 1)
        groups = [torch.randint(-limit, limit, (random.randint(1, 4), LANES * 2)) for _ in range(12)]
        lanes = Lanes(dut, groups, lane_pattern, random)
        sink = Sink(Stream(dut, "dut__o"), sink_pattern, random)
        delivering = cocotb.start_soon(lanes.deliver())
        beats = PARAMETERS.result_beats(PARAMETERS.weight_formats[position])
        received = await sink.receive(len(groups) * vectors * beats)
        await delivering
        results = torch.from_numpy(to_fields(received, PARAMETERS.results_per_beat, 64)).view(len(groups), vectors, -1)
        used = PARAMETERS.lanes_for(PARAMETERS.weight_formats[position])
        totals = torch.stack([group.sum(dim=0) for group in groups]).view(len(groups), LANES, 2).transpose(1, 2)
        assert torch.equal(results[..., :used], totals[:, :vectors, :used])
        assert dut.dut__idle.value, "every reserved slot was given back"


@cocotb.test()
async def no_more_row_groups_are_under_way_than_there_are_slots(dut: HierarchyObject) -> None:
    random = Random(13)
    dut.dut__valid.value = dut.dut__reserve.value = 0
    await start(dut)
    dut.dut__format.value, dut.dut__vectors.value = 0, 0
    groups = [torch.full((1, LANES * 2), index) for index in range(10)]
    lanes = Lanes(dut, groups, PATTERNS["always"], random)
    sink = Sink(Stream(dut, "dut__o"), PATTERNS["always"], random)
    delivering = cocotb.start_soon(lanes.deliver())
    await sink.refuse(50)
    assert lanes.reserved == RESULT_SLOTS
    assert lanes.stalled > 0
    assert sink.offered, "valid never waits for ready"
    assert not dut.dut__idle.value
    beats = PARAMETERS.result_beats(PARAMETERS.weight_formats[0])
    received = await sink.receive(len(groups) * beats)
    assert [to_fields([beat], 2, 64)[0, 0] for beat in received[::beats]] == list(range(10)), "nothing was lost"
    await delivering
