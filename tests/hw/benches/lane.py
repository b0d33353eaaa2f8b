"""Blocks through seed lanes: one format alone, and a lane that holds them all."""

import cocotb
import torch
from cocotb.handle import HierarchyObject
from torch import Tensor

from formats.block import BlockFormat
from formats.engine import GENERATOR_LATENCY
from formats.presets import PRESETS
from hw.engine.lane import Lane
from tests.hw.benches.generator import golden_weights, random_words
from tests.hw.packed import to_fields, to_vectors
from tests.hw.pipeline import Feed, Tap, run_pipeline
from tests.hw.products import random_activations
from tests.hw.streams import start

BLOCKS = 1500


def subjects() -> dict[str, Lane]:
    """Lanes by name; numbers are activation bits and batch."""
    return {
        "paper_4bit_16_1": Lane([PRESETS["paper-4bit"]], 16, 1),
        "paper_3bit_8_2": Lane([PRESETS["paper-3bit"]], 8, 2, multiplier_bits=18),
        "scaled_4bit_8_2": Lane([PRESETS["scaled-4bit"]], 8, 2),
        "scaled_3bit_16_1": Lane([PRESETS["scaled-3bit"]], 16, 1),
        "scaled_2bit_16_1": Lane([PRESETS["scaled-2bit"]], 16, 1),
        "every_16_2": Lane(list(PRESETS.values()), 16, 2),
    }


def stimulus(block_format: BlockFormat, activation_bits: int, batch: int, block_size: int) -> tuple[Tensor, Tensor]:
    """Words [blocks] and activations [blocks, batch, C]; in the first half everything is at a limit."""
    seeds = torch.randint(1, block_format.seeds + 1, (BLOCKS // 2,))
    words = torch.cat([random_words(seeds, block_format, extreme) for extreme in (True, False)])
    limit = 1 << (activation_bits - 1)
    extremes = torch.tensor([-limit, limit - 1])[torch.randint(2, (BLOCKS // 2, batch * block_size))]
    activations = torch.cat([extremes, random_activations(BLOCKS // 2, batch * block_size, activation_bits)])
    return words, activations.view(BLOCKS, batch, block_size)


async def check(
    dut: HierarchyObject, name: str, block_format: BlockFormat, activation_bits: int, batch: int, block_size: int
) -> None:
    lane = subjects()[name]
    words, activations = stimulus(block_format, activation_bits, batch, block_size)
    feeds = {
        f"{name}__word": Feed(words.tolist()),
        f"{name}__activations": Feed(to_vectors(activations.flatten(1).numpy(), activation_bits), GENERATOR_LATENCY),
    }
    seen = await run_pipeline(dut, feeds, {f"{name}__sums": Tap(BLOCKS, lane.latency)})
    sums = torch.from_numpy(to_fields(seen[f"{name}__sums"], batch, lane.sum_bits))
    # a lane wider than the format must take no notice of the activations past its block size
    used = activations[..., : block_format.block_size]
    assert torch.equal(sums, (golden_weights(words, block_format)[:, None] * used).sum(dim=-1)), block_format.name


@cocotb.test()
async def a_lane_of_one_format_gives_exact_sums_every_cycle(dut: HierarchyObject) -> None:
    torch.manual_seed(2)
    await start(dut)
    for name in subjects():
        preset, activation_bits, batch = name.rsplit("_", 2)
        if preset != "every":
            block_format = PRESETS[preset.replace("_", "-")]
            await check(dut, name, block_format, int(activation_bits), int(batch), block_format.block_size)


@cocotb.test()
async def a_lane_of_every_format_decodes_the_one_it_is_told(dut: HierarchyObject) -> None:
    torch.manual_seed(3)
    await start(dut)
    largest = max(preset.block_size for preset in PRESETS.values())
    for index, preset in enumerate(PRESETS.values()):
        dut.every_16_2__format.value = index
        await check(dut, "every_16_2", preset, 16, 2, largest)
