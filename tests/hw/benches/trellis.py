"""Rows of trellis words through generators: of one format alone, and of all formats of the code."""

import re
from random import Random

import cocotb
import torch
from cocotb.handle import HierarchyObject

from formats.engine import GENERATOR_LATENCY
from formats.presets import TRELLIS_PRESETS
from formats.trellis import WEIGHT_BITS, WORD_WEIGHTS, TrellisFormat
from golden_models.trellis import integer_weights, windows
from hw.engine.trellis import TrellisGenerator
from tests.hw.packed import to_fields
from tests.hw.pipeline import Feed, Tap, run_pipeline
from tests.hw.streams import start

ROWS, BLOCKS = 30, 240
"""So many random words show every window of 12 bits, 14 times in the mean."""

EVERY = "every"
PORTS = {name: re.sub(r"\W", "_", name) for name in TRELLIS_PRESETS}


def subjects() -> dict[str, TrellisGenerator]:
    """A generator for each preset and one for all."""
    alone = {PORTS[name]: TrellisGenerator(preset) for name, preset in TRELLIS_PRESETS.items()}
    return {**alone, EVERY: TrellisGenerator(*TRELLIS_PRESETS.values())}


def stalled(words: list[list[int]], trellis_format: TrellisFormat, random: Random) -> tuple[list[int], list[int]]:
    """Words, and marks of first and valid, a cycle each: rows one after another, anything at all in between."""
    offered, marks = [], []
    for row in words:
        for block, word in enumerate(row):
            while random.random() < 1 / 4:
                offered.append(random.getrandbits(trellis_format.word_bits))
                marks.append(random.getrandbits(1))  # first, and not valid
            offered.append(word)
            marks.append(2 | (block == 0))
    return offered, marks


async def check(dut: HierarchyObject, name: str, trellis_format: TrellisFormat, random: Random) -> None:
    """Every window that there is passes, and every word's weights are the golden model's."""
    words = torch.randint(1 << trellis_format.word_bits, (ROWS, BLOCKS))
    assert len(windows(words, trellis_format).unique()) == 1 << trellis_format.window_bits
    offered, marks = stalled(words.tolist(), trellis_format, random)
    feeds = {
        f"{name}__word": Feed(offered),
        f"{name}__first": Feed([mark & 1 for mark in marks]),
        f"{name}__valid": Feed([mark >> 1 for mark in marks]),
    }
    seen = await run_pipeline(dut, feeds, {f"{name}__weights": Tap(len(offered), GENERATOR_LATENCY)})
    weights = torch.from_numpy(to_fields(seen[f"{name}__weights"], WORD_WEIGHTS, WEIGHT_BITS))
    valid = torch.tensor(marks) >= 2
    expected = integer_weights(words, trellis_format, BLOCKS * WORD_WEIGHTS)
    assert torch.equal(weights[valid].view(ROWS, -1), expected), trellis_format.name


@cocotb.test()
async def every_window_of_every_format_gives_its_weight_whatever_stalls(dut: HierarchyObject) -> None:
    torch.manual_seed(1)
    await start(dut)
    for name, preset in TRELLIS_PRESETS.items():
        await check(dut, PORTS[name], preset, Random(2))


@cocotb.test()
async def one_generator_serves_all_formats_of_a_code(dut: HierarchyObject) -> None:
    torch.manual_seed(3)
    await start(dut)
    for rate, preset in enumerate(TRELLIS_PRESETS.values()):
        dut.every__rate.value = rate
        await check(dut, EVERY, preset, Random(4))
