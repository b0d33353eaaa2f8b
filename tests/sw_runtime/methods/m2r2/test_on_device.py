from random import Random

import torch

from formats.router.descriptor import RouterParameters
from golden_models.m2r2.exits import choose_exit
from golden_models.m2r2.experts import ExpertCache as GoldenExpertCache
from golden_models.router.prefix import accept_greedy
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.m2r2.on_device import DeviceExpertCache, accept_on_device, choose_on_device


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


def test_drafts_are_accepted_as_by_the_golden_prefix() -> None:
    accept = accept_on_device(EmulatedDevice(router=RouterParameters()))
    targets = torch.tensor([4, 5, 6, 7])
    for wrong in range(4):
        drafts = torch.where(torch.arange(3) < wrong, targets[:3], 99)
        assert accept(drafts, targets) == accept_greedy(drafts, targets) == (wrong, int(targets[wrong]))


def test_exits_are_chosen_as_by_the_golden_model() -> None:
    choose = choose_on_device(EmulatedDevice(router=RouterParameters()), 0.5)
    logits = torch.tensor([[0.5, 0.6, 2.0], [0.4, 0.5, 0.5], [0.5, 0.1, 0.50002], [9.0, 9.0, 9.0]])
    assert choose(logits).tolist() == [choose_exit(row, 0.5) for row in logits] == [1, 3, 2, 0]
