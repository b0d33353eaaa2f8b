"""What all functions share: a device without a router, and answers that are not OK."""

import pytest
import torch

from formats.router.descriptor import Opcode
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.device.protocol import Device
from sw_runtime.routing.commands import ask, request, size_of
from sw_runtime.routing.selection import keep_top


def test_a_device_without_a_router_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"this device has no router; open it with router=RouterParameters\(\)"):
        keep_top(EmulatedDevice(), torch.zeros(3), keep=1)


def test_the_size_is_that_of_the_device(device: Device) -> None:
    assert size_of(device) == device.info().router


def test_a_refused_command_among_others_is_raised(device: Device) -> None:
    with pytest.raises(ValueError, match="the router answered BAD_SLOT to PUTBM: it holds 112 keys, 5 bitmaps"):
        ask(device, request(Opcode.PUTBM, [1], n=3, dst=5), request(Opcode.NOP))
