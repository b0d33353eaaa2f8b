"""Every FP16 weight the baseline takes."""

import cocotb
import numpy as np
import torch
from cocotb.handle import HierarchyObject

from formats.engine import GENERATOR_LATENCY
from formats.fp16 import Fp16Format
from formats.matrices import Fp16Matrix
from golden_models.seedlm.datapath import integer_matrix
from hw.engine.fp16_lane import Fp16Lane
from tests.hw.packed import to_fields, to_vectors
from tests.hw.pipeline import Feed, Tap, run_pipeline
from tests.hw.products import random_activations
from tests.hw.streams import start


def subjects() -> dict[str, Fp16Lane]:
    """Lanes by name; numbers are weights per word, activation bits and batch."""
    sizes = ((8, 8, 1), (8, 16, 2), (2, 16, 1))
    return {
        f"fp16_{size}_{bits}_{batch}": Fp16Lane(Fp16Format(block_size=size), bits, batch) for size, bits, batch in sizes
    }


@cocotb.test()
async def every_weight_with_an_exponent_field_up_to_22_multiplies_exactly(dut: HierarchyObject) -> None:
    torch.manual_seed(4)
    magnitudes = torch.arange((Fp16Format.maximum_exponent + 1) << 10)  # zero and the subnormals first
    patterns = torch.cat([magnitudes, magnitudes | 1 << 15])
    patterns = patterns[torch.randperm(len(patterns))]
    weights = torch.from_numpy(patterns.numpy().astype(np.uint16).view(np.float16))
    feeds, taps, expected = {}, {}, {}
    for name, lane in subjects().items():
        size, bits, batch = map(int, name.split("_")[1:])
        words = len(patterns) // size
        activations = random_activations(words, batch * size, bits)
        feeds[f"{name}__word"] = Feed(to_vectors(patterns.view(words, size).numpy(), 16))
        feeds[f"{name}__activations"] = Feed(to_vectors(activations.numpy(), bits), GENERATOR_LATENCY)
        taps[f"{name}__sums"] = Tap(words, lane.latency)
        integers = integer_matrix(Fp16Matrix(weights.view(words, size)))
        expected[name] = (integers[:, None] * activations.view(words, batch, size)).sum(dim=-1)
    await start(dut)
    seen = await run_pipeline(dut, feeds, taps)
    for name, lane in subjects().items():
        sums = to_fields(seen[f"{name}__sums"], expected[name].shape[1], lane.sum_bits)
        assert torch.equal(torch.from_numpy(sums), expected[name]), name
