"""The cache of experts."""

from collections.abc import Callable
from typing import Any

import pytest

from formats.router.answer import Lookup
from sw_runtime.device.protocol import Device
from sw_runtime.routing.experts import access_experts, flush_experts, release_experts

OnBoth = Callable[..., Any]


@pytest.fixture(autouse=True)
def empty_layers(on_both: OnBoth) -> None:
    for layer in range(3):
        on_both(flush_experts, layer)


def test_the_least_recently_used_expert_makes_room(on_both: OnBoth) -> None:
    assert on_both(access_experts, 0, [3, 1, 4, 15, 9]) == [Lookup(hit=False, way=way) for way in range(5)]
    assert on_both(access_experts, 0, [3]) == [Lookup(hit=True, way=0)]
    assert on_both(access_experts, 0, [255, 4]) == [Lookup(hit=False, way=1, victim=1), Lookup(hit=True, way=2)]


def test_layers_do_not_share_their_experts(on_both: OnBoth) -> None:
    on_both(access_experts, 0, [7])
    assert on_both(access_experts, 1, [7]) == [Lookup(hit=False, way=0)]
    on_both(flush_experts, 0)
    assert on_both(access_experts, 1, [7], prefetch=True) == [Lookup(hit=True, way=0)]


def test_pinned_experts_stay_until_they_are_released(on_both: OnBoth) -> None:
    on_both(access_experts, 2, [0, 1, 2, 3, 4], pin=True)
    assert on_both(access_experts, 2, [5]) == [Lookup(hit=False, no_way=True)]
    assert on_both(release_experts, 2, [3, 6]) == [Lookup(hit=True, way=3), Lookup(hit=False)]
    assert on_both(access_experts, 2, [5]) == [Lookup(hit=False, way=3, victim=3)]


@pytest.mark.parametrize(
    ("layer", "experts", "status"),
    [(0, [1, 1], "BAD_DATA"), (0, [256], "BAD_DATA"), (3, [1], "BAD_N"), (0, list(range(17)), "BAD_N")],
)
def test_what_the_cache_cannot_hold_is_refused(device: Device, layer: int, experts: list[int], status: str) -> None:
    with pytest.raises(ValueError, match=f"the router answered {status} to LRU: .* 3 sets of 5 experts; send less"):
        access_experts(device, layer, experts)
