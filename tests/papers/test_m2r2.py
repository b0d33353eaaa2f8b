from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from formats.router.answer import Lookup
from papers.m2r2 import DRAFTS, EARLY, measure
from papers.m2r2_cycles import COUNTED, Cycles
from papers.m2r2_experts import LINKS, Access, MixtureCosts, NotedCache, decoding_cycles
from papers.m2r2_sharing import layer_on, sharing_figures
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.m2r2.fast_stream import FastStream
from sw_runtime.methods.m2r2.residuals import Adapter, M2R2Parameters
from sw_runtime.nn.linear import SeedLinear
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
    verification = 2 * cycles.layer(1) + cycles.layer(4) + cycles.head(4)
    draft = 2 * (cycles.both_streams() + cycles.adapter()) + cycles.head(1)
    assert cycles.round(2, 3) == 3 * draft + verification
    apart = 2 * (cycles.streams_apart() + cycles.adapter()) + cycles.head(1)
    assert cycles.round_apart(2, 3) == 3 * apart + verification
    assert cycles.greedy() == 3 * cycles.layer(1) + cycles.head(1)


def test_both_streams_take_one_pass_on_a_device_and_cost_what_is_counted() -> None:
    decoder = Decoder.of(tiny_llama().requires_grad_(False))
    stream = FastStream(TINY, [Adapter.zero(64, 4)], [])
    figures = sharing_figures(decoder, stream, EmulatedDevice(COUNTED), torch.tensor([5, 17, 3]))
    cycles = Cycles(decoder, 4)
    assert list(figures.values()) == [f"{cycles.both_streams():,}", f"{cycles.streams_apart():,}", "yes"]
    assert cycles.layer(1) < cycles.both_streams() < cycles.streams_apart() < 2 * cycles.layer(1)
    one_at_a_time = EmulatedDevice(replace(COUNTED, batch=1))
    assert "NO" in sharing_figures(decoder, stream, one_at_a_time, torch.tensor([5, 17, 3])).values()


def test_a_layer_leaves_the_device_again() -> None:
    device = EmulatedDevice(COUNTED)
    with layer_on(device, Decoder.of(tiny_llama()).layers[0]) as layer:
        assert all(isinstance(product, SeedLinear) and product.is_attached for product in layer.products)
    assert not any(isinstance(product, SeedLinear) and product.is_attached for product in layer.products)


def test_the_ceiling_is_a_round_whose_drafts_are_all_right() -> None:
    cycles = Cycles(Decoder.of(tiny_llama()), 4)
    assert cycles.ceiling(2, 3) == 4 * cycles.greedy() / cycles.round(2, 3)


COSTS = MixtureCosts(before=(10, 10), expert=(4, 4), head=7)


def needs(layer: int, *ready: bool) -> Access:
    return Access(layer, tuple(range(len(ready))), ready, prefetch=False)


def test_experts_that_are_there_cost_no_time() -> None:
    assert decoding_cycles([needs(0, True, True), needs(1, True, True)], COSTS, load=100) == 2 * (10 + 2 * 4) + 7


def test_what_is_loaded_on_demand_is_waited_for_while_the_others_run() -> None:
    # layer 0: known at 10, one is there and runs until 14, the other arrives at 10 + 30 and runs until 44
    assert decoding_cycles([needs(0, False, True), needs(1, True, True)], COSTS, load=30) == 44 + 10 + 8 + 7
    assert decoding_cycles([needs(0, False, True), needs(1, True, True)], COSTS, load=2) == 2 * 18 + 7


def test_two_loads_follow_each_other() -> None:
    assert decoding_cycles([needs(0, False, False)], COSTS, load=30) == 10 + 2 * 30 + 4


def test_a_load_ahead_of_time_hides_under_the_layers_before() -> None:
    ahead = Access(1, (0, 1), (False, True), prefetch=True)
    accesses = [ahead, needs(0, True, True), needs(1, True, True)]
    assert decoding_cycles(accesses, COSTS, load=28) == 2 * 18 + 7  # asked for at 0, needed at 18 + 10
    assert decoding_cycles(accesses, COSTS, load=50) == 50 + 4 + 7


def test_a_wrong_guess_that_is_being_loaded_holds_up_what_is_needed_and_one_that_waits_does_not() -> None:
    wrong = Access(1, (5, 6), (False, False), prefetch=True)
    assert decoding_cycles([wrong, needs(0, False, True)], COSTS, load=30) == 30 + 30 + 4


def test_a_right_guess_that_still_waits_is_loaded_when_it_is_needed() -> None:
    ahead = Access(0, (5, 0), (False, False), prefetch=True)
    assert decoding_cycles([ahead, needs(0, True, True)], COSTS, load=30) == 30 + 30 + 4


def test_a_cache_notes_what_it_is_asked_and_what_it_answered() -> None:
    released: list[int] = []

    class Empty:
        def access(self, layer: int, experts: Sequence[int], pin: bool, prefetch: bool) -> list[Lookup]:
            return [Lookup(hit=expert == 3) for expert in experts]

        def release(self, layer: int, experts: Sequence[int]) -> None:
            released.extend(experts)

    cache = NotedCache(Empty())
    assert [lookup.hit for lookup in cache.access(2, [1, 3], pin=True, prefetch=True)] == [False, True]
    cache.release(2, [1])
    assert cache.accesses == [Access(2, (1, 3), (False, True), prefetch=True)]
    assert released == [1]


def test_the_fast_stream_shares_the_passes_of_the_layers_that_predict() -> None:
    cycles = Cycles(Decoder.of(tiny_llama()), 4)
    nothing, slow, fast = (MixtureCosts.of(cycles, ahead, 2, 2) for ahead in ("nothing", "slow", "fast"))
    assert nothing.before == (cycles.before_experts(1),) * 3
    # layer 0 predicts layer 1, the first one that is not due, and layer 1 predicts layer 2
    assert slow.before == (*(cycles.before_experts(1) + cycles.gate(1),) * 2, cycles.before_experts(1))
    both = cycles.before_experts(2) + cycles.gate(1) + cycles.adapter()
    assert fast.before == (both, both, cycles.before_experts(1))
    assert fast.expert == (cycles.expert(2), cycles.expert(2), cycles.expert(1))


@pytest.mark.usefixtures("narrow_port")
def test_both_devices_find_the_same() -> None:
    reports = [
        measure(device, TINY, fit_windows=2, held_out=1, prompts=1, new_tokens=3, window=40, epochs=1)
        for device in ("emulated", "simulated")
    ]
    assert alike(reports[0].figures, "router cycles") == alike(reports[1].figures, "router cycles")
    for report in reports:
        assert report.findings["lossless"].ours == 100
        speed_ups = [
            report.figures[f"{drafts} drafted after layer {layer}: speed-up in cycles of the engine"]
            for layer in (*EARLY, TINY.exits[-1])
            for drafts in DRAFTS
        ]
        assert report.findings["speculation"].ours == max(speed_ups)
        by_link = [value for name, value in report.figures.items() if "speed over" in name and "fast" in name]
        assert len(by_link) == len(LINKS)
        assert report.findings["experts"].ours == max(by_link)
