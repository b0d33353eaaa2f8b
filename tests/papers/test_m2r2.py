import pytest
import torch

from papers.m2r2 import COUNTED, DRAFTS, Cycles, measure
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.m2r2.residuals import M2R2Parameters
from tests.models import tiny_llama
from tests.papers.some_papers import alike
from tests.sw_runtime.device.matrices import random_matrix

TINY = M2R2Parameters(rate=2, rank=4, exits=(3, 5))


def test_cycles_of_a_layer_are_those_of_a_device() -> None:
    decoder, device = Decoder.of(tiny_llama()), EmulatedDevice(COUNTED)
    for product in decoder.layers[0].products:
        rows, columns = product.out_features, product.in_features
        handle = device.load(random_matrix("scaled-4bit", rows, columns, 0))
        device.matvec(handle, torch.zeros(2, columns, dtype=torch.int64))
    assert device.counters.cycles == Cycles(decoder, 4).layer(2)


def test_a_round_costs_its_drafts_and_one_pass_over_everything() -> None:
    cycles = Cycles(Decoder.of(tiny_llama()), 4)
    draft = 2 * (cycles.layer(2) + cycles.adapter()) + cycles.head(1)
    assert cycles.round(2, 3) == 3 * draft + 2 * cycles.layer(1) + cycles.layer(4) + cycles.head(4)
    assert cycles.greedy() == 3 * cycles.layer(1) + cycles.head(1)


@pytest.mark.usefixtures("narrow_port")
def test_both_devices_find_the_same() -> None:
    reports = [
        measure(device, TINY, fit_windows=2, held_out=1, prompts=1, new_tokens=3, window=40)
        for device in ("emulated", "simulated")
    ]
    assert alike(reports[0].figures, "router cycles") == alike(reports[1].figures, "router cycles")
    for report in reports:
        assert report.findings["lossless"].ours == 100
        speed_ups = [report.figures[f"{drafts} drafted a round: speed-up in cycles of the engine"] for drafts in DRAFTS]
        assert report.findings["speculation"].ours == max(speed_ups)
