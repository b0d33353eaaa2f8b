"""Logits in, the best tokens with their keys out, whatever stalls; and with one fault after the other."""

import itertools
from random import Random

import cocotb
import torch
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge

from golden_models.router.selection import Quota, TopK, topk
from tests.hw.decoder.exchange import is_exact, reset, silence
from tests.hw.decoder.mutants import BEST_KEYS_MUTANTS
from tests.hw.streams import PATTERNS, Pattern, start

KEYS, BEST = 50, 8
LARGEST = (1 << 23) - 1
PATIENCE = 100
"""Cycles in which the last logit finds its place."""


def best_of(logits: list[int], wanted: int) -> list[tuple[int, int]]:
    """Tokens and keys: those that the router's TOPK marks, the largest first, of equal ones the lower token."""
    keys = torch.tensor(logits).clamp(-LARGEST, LARGEST)
    marked = topk(keys + LARGEST, TopK(Quota.KEEP, wanted)).nonzero().flatten().tolist()
    return sorted(((token, int(keys[token])) for token in marked), key=lambda pair: (-pair[1], pair[0]))


async def one_text_is_exact(dut: HierarchyObject, patterns: dict[str, Pattern], random: Random) -> bool:
    """Few different logits, so that many are equal; or any, some of which are clipped; in any order or sorted."""
    wanted, count = random.choice((1, 2, BEST - 1, BEST)), random.choice((1, BEST - 1, BEST, random.randrange(1, KEYS)))
    least, largest = random.choice(((-2, 2), (-9, -7), (-LARGEST, LARGEST), (-(1 << 31), (1 << 31) - 1)))
    logits = [random.randint(least, largest) for _ in range(count)]
    if random.random() < 1 / 3:
        logits.sort()
    await FallingEdge(dut.clk)
    dut.wanted.value, dut.start.value, dut.ends.value = wanted, 1, 0
    await FallingEdge(dut.clk)
    dut.start.value = 0
    if not await is_exact(dut, {"i": [logit & 0xFFFF_FFFF for logit in logits]}, [], patterns, random):
        return False
    for _ in range(PATIENCE):
        await FallingEdge(dut.clk)
    expected = best_of(logits, wanted)
    if (int(dut.count.value), int(dut.kept.value)) != (count, len(expected)):
        return False
    dut.ends.value = 1
    await FallingEdge(dut.clk)
    dut.ends.value = 0
    words = [(word & 0xFFFF_FFFF, 0) for pair in expected for word in pair]
    if not await is_exact(dut, {}, words, patterns, random):
        return False
    for _ in range(3):  # nothing more comes
        await FallingEdge(dut.clk)
        if dut.o__valid.value:
            return False
    return True


@cocotb.test()
async def the_best_are_the_routers_whatever_stalls(dut: HierarchyObject) -> None:
    random = Random(81)
    dut.start.value, dut.ends.value, dut.wanted.value = 0, 0, BEST
    silence(dut, ("i",))
    await start(dut)
    for patterns in itertools.product(PATTERNS.values(), repeat=2):
        for _ in range(8):
            assert await one_text_is_exact(dut, dict(zip(("i", "o"), patterns, strict=True)), random)


@cocotb.test()
async def a_logit_that_is_not_kept_takes_two_cycles(dut: HierarchyObject) -> None:
    silence(dut, ("i",))
    await start(dut)
    await FallingEdge(dut.clk)
    dut.wanted.value, dut.start.value = 1, 1
    await FallingEdge(dut.clk)
    dut.start.value, dut.i__valid.value, dut.i__payload.value = 0, 1, 5
    for _ in range(10):
        await FallingEdge(dut.clk)
    first = int(dut.count.value)
    for _ in range(20):
        await FallingEdge(dut.clk)
    assert int(dut.count.value) == first + 10


@cocotb.test()
async def every_fault_is_found(dut: HierarchyObject) -> None:
    silence(dut, ("i",))
    await start(dut)
    patterns, survivors = dict.fromkeys(("i", "o"), PATTERNS["half"]), []
    for number, mutant in enumerate(("none", *BEST_KEYS_MUTANTS)):
        await reset(dut, number)
        dut.ends.value = 0
        random = Random(83)
        if all([await one_text_is_exact(dut, patterns, random) for _ in range(40)]):
            survivors.append(str(mutant))
    assert survivors == ["none"], "\n".join(survivors)
