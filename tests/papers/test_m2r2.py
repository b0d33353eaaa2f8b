from random import Random

import torch

from formats.router.descriptor import RouterParameters
from golden_models.decoder import Decoder
from golden_models.m2r2.experts import GoldenExpertCache
from golden_models.m2r2.residuals import M2R2Parameters
from papers.m2r2 import COUNTED, Cycles, DeviceExpertCache, measure
from sw_runtime.device.emulated import EmulatedDevice
from tests.models import tiny_llama
from tests.sw_runtime.device.matrices import random_matrix

TINY = M2R2Parameters(rate=2, rank=4, exits=(3, 5))


def test_a_devices_cache_of_experts_is_the_golden_one() -> None:
    device, random = EmulatedDevice(router=RouterParameters(sets=3, ways=4)), Random(0)
    for _ in range(2):  # the second begins as empty as the first
        golden, ours = GoldenExpertCache(3, 4), DeviceExpertCache(device, 3)
        for _ in range(60):
            layer, experts = random.randrange(3), random.sample(range(9), 3)
            pin, prefetch = random.random() < 0.3, random.random() < 0.5
            assert ours.access(layer, experts, pin, prefetch) == golden.access(layer, experts, pin, prefetch)
            released = random.sample(range(9), 4)
            ours.release(layer, released)
            golden.release(layer, released)


def test_cycles_of_a_layer_are_those_of_a_device() -> None:
    decoder, device = Decoder.from_transformers(tiny_llama()), EmulatedDevice(COUNTED)
    for matrix in decoder.layers[0].matrices:
        rows, columns = matrix.shape
        handle = device.load(random_matrix("scaled-4bit", rows, columns, 0))
        device.matvec(handle, torch.zeros(2, columns, dtype=torch.int64))
    assert device.counters.cycles == Cycles(decoder, 4).layer(2)


def test_a_round_costs_its_drafts_and_one_pass_over_everything() -> None:
    cycles = Cycles(Decoder.from_transformers(tiny_llama()), 4)
    draft = 2 * (cycles.layer(2) + cycles.adapter()) + cycles.head(1)
    assert cycles.round(2, 3) == 3 * draft + 2 * cycles.layer(1) + cycles.layer(4) + cycles.head(4)
    assert cycles.greedy() == 3 * cycles.layer(1) + cycles.head(1)


def test_both_devices_find_the_same() -> None:
    reports = [
        measure(device, TINY, fit_windows=2, held_out=1, prompts=1, new_tokens=3, window=40)
        for device in ("emulated", "simulated")
    ]
    emulated, simulated = ([f for f in report.figures if "router cycles" not in f.name] for report in reports)
    assert emulated == simulated
    ours = {figure.name: figure.ours for figure in emulated}
    assert ours["1 drafted a round: tokens"] == ours["3 drafted a round: tokens"] == "greedy decoding's"
