"""Two devices with a small router each, one emulated and one simulated, that must answer alike."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from formats.engine import EngineParameters
from formats.router.descriptor import RouterParameters
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.device.protocol import Device
from sw_runtime.device.simulated import simulated_device

ROUTER = RouterParameters(lanes=8, digit_bits=6, keys=112, slots=5, sets=3, ways=5)
ENGINE = EngineParameters(
    ("scaled-3bit", "fp16"), port_bytes=4, activation_bits=8, maximum_columns=200, maximum_rows=120
)


def same(left: Any, right: Any) -> bool:
    """Whether two results are equal, tensors inside them too."""
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


@pytest.fixture(scope="session")
def devices() -> Iterator[tuple[Device, Device]]:
    """An emulated and a simulated device."""
    opened = EmulatedDevice(router=ROUTER), simulated_device(ENGINE, simulators=1, router=ROUTER)
    yield opened
    for device in opened:
        device.close()


@pytest.fixture
def on_both(devices: tuple[Device, Device]) -> Callable[..., Any]:
    """Call a function on both devices, hold its results together, and return them."""

    def call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        emulated, simulated = (function(device, *arguments, **options) for device in devices)
        assert same(emulated, simulated)
        return emulated

    return call


@pytest.fixture
def device() -> Device:
    """The emulated device, for what is refused before it reaches a router."""
    return EmulatedDevice(router=ROUTER)
