"""Results and scales in, packets of keys out."""

import itertools
import os
from random import Random

import cocotb
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge

from formats.router.descriptor import KEY_BITS
from hw.requantiser import Requantiser
from tests.hw.conversions import Conversion, conversions
from tests.hw.streams import PATTERNS, Pattern, Sink, Source, Stream, start

PROBLEMS_A_PATTERN = 12


class Bench:
    """The requantiser's three streams with their partners.

    Parameters
    ----------
    dut
        The design.
    results, scales, keys
        Patterns of the engine, of the memory and of the router.
    random
        What they draw from.
    """

    def __init__(self, dut: HierarchyObject, results: Pattern, scales: Pattern, keys: Pattern, random: Random) -> None:
        self._dut, self._random = dut, random
        self._lanes = int(os.environ["SUBJECT"])
        self.results = Source(Stream(dut, "i_results"), results, random)
        self.scales = Source(Stream(dut, "i_scales"), scales, random)
        self.keys = Sink(Stream(dut, "o"), keys, random)

    async def run(self, conversion: Conversion) -> None:
        """Convert one vector's results and check every key and the packet's end."""
        dut, lanes = self._dut, self._lanes
        await FallingEdge(dut.clk)
        dut.routing.value, dut.start.value = conversion.routing, 1
        await FallingEdge(dut.clk)
        dut.routing.value, dut.start.value = self._random.getrandbits(len(dut.routing)), 0
        sending = [
            cocotb.start_soon(self.results.send(conversion.beats(self._random))),
            cocotb.start_soon(self.scales.send(conversion.scales)),
        ]
        expected = conversion.keys
        beats = await self.keys.receive(-(-len(expected) // lanes))
        keys = [beat >> KEY_BITS * lane & ((1 << KEY_BITS) - 1) for beat in beats for lane in range(lanes)]
        assert keys[: len(expected)] == expected
        ends = [beat >> KEY_BITS * lanes for beat in beats]
        assert ends == [0] * (len(beats) - 1) + [1], "the last beat alone ends the packet, and none aborts it"
        for task in sending:
            await task  # the padding behind the last row leaves too
        await FallingEdge(dut.clk)
        assert not dut.busy.value


@cocotb.test()
async def keys_are_the_golden_models_whatever_stalls(dut: HierarchyObject) -> None:
    random = Random(31)
    dut.start.value = 0
    await start(dut)
    for patterns in itertools.product(PATTERNS.values(), repeat=3):
        # the slowest see the small problems only
        count = 3 if PATTERNS["rarely"] in patterns else PROBLEMS_A_PATTERN
        for conversion in conversions(random, count):
            await Bench(dut, *patterns, random).run(conversion)


@cocotb.test()
async def a_result_is_taken_every_cycle(dut: HierarchyObject) -> None:
    random = Random(32)
    dut.start.value = 0
    await start(dut)
    for conversion in conversions(random, PROBLEMS_A_PATTERN):
        bench = Bench(dut, *[PATTERNS["always"]] * 3, random)
        await bench.run(conversion)
        first = bench.scales.cycles[0]
        assert bench.scales.cycles == list(range(first, first + len(conversion.sums)))


@cocotb.test()
async def a_key_completes_its_beat_after_the_latency(dut: HierarchyObject) -> None:
    random = Random(33)
    dut.start.value = 0
    await start(dut)
    for conversion in conversions(random, 4):
        if len(conversion.sums) <= int(os.environ["SUBJECT"]):
            bench = Bench(dut, *[PATTERNS["always"]] * 3, random)
            await bench.run(conversion)
            assert bench.keys.cycles[0] - bench.scales.cycles[-1] == Requantiser.LATENCY
