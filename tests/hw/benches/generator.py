"""Every seed of every preset through its generator, a word per cycle."""

import cocotb
import torch
from cocotb.handle import HierarchyObject
from torch import Tensor

from formats.block import BlockFormat
from formats.engine import GENERATOR_LATENCY
from formats.matrices import EncodedMatrix
from formats.presets import PRESETS
from golden_models.seedlm.codec import integer_weights
from hw.engine.generator import Generator, block_generator
from tests.hw.packed import to_fields
from tests.hw.pipeline import Feed, Tap, run_pipeline
from tests.hw.streams import start

PORTS = {name: name.replace("-", "_") for name in PRESETS}
"""Every preset's name as a Verilog name."""


def subjects() -> dict[str, Generator]:
    """A generator for each preset."""
    return {PORTS[name]: block_generator(preset) for name, preset in PRESETS.items()}


def random_words(seeds: Tensor, block_format: BlockFormat, extreme: bool) -> Tensor:
    """A word for each seed, int64; exponents random, coefficients random or each at a limit."""
    upper = torch.randint(1 << (block_format.word_bits - block_format.lfsr_bits), seeds.shape)
    if extreme:
        offset, limits = block_format.exponent_bits, torch.tensor(block_format.coefficient_limits)
        upper &= (1 << offset) - 1
        for _ in range(block_format.latent_dim):
            stored = limits & ((1 << block_format.coefficient_bits) - 1)
            upper |= stored[torch.randint(2, seeds.shape)] << offset
            offset += block_format.coefficient_bits
    return upper << block_format.lfsr_bits | seeds


def golden_weights(words: Tensor, block_format: BlockFormat) -> Tensor:
    """Integer weights of words [blocks]: int64 [blocks, C]."""
    row = EncodedMatrix(block_format, words[None], torch.ones(1), len(words) * block_format.block_size)
    return integer_weights(row).view(len(words), -1)


@cocotb.test()
async def every_seed_gives_the_golden_weights_after_the_latency(dut: HierarchyObject) -> None:
    torch.manual_seed(1)
    feeds, taps, words = {}, {}, {}
    for name, preset in PRESETS.items():
        seeds = torch.arange(1, preset.seeds + 1)
        words[name] = torch.cat([random_words(seeds, preset, extreme) for extreme in (True, False)])
        feeds[f"{PORTS[name]}__word"] = Feed(words[name].tolist())
        taps[f"{PORTS[name]}__weights"] = Tap(len(words[name]), GENERATOR_LATENCY)
        if preset.exponent_bits:
            taps[f"{PORTS[name]}__shift"] = Tap(len(words[name]), GENERATOR_LATENCY)
    await start(dut)
    seen = await run_pipeline(dut, feeds, taps)
    for name, preset in PRESETS.items():
        weights = to_fields(seen[f"{PORTS[name]}__weights"], preset.block_size, preset.sum_bits)
        shifts = torch.tensor(seen.get(f"{PORTS[name]}__shift", [0]))
        assert torch.equal(torch.from_numpy(weights) << shifts[:, None], golden_weights(words[name], preset)), name
