"""Threads that share a device take turns, and its counters miss nothing."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from formats.router.descriptor import Command, Flag, KeyFormat, Opcode, RouterParameters
from sw_runtime.device.driver import Driver
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.device.protocol import Counters, Device, Request
from sw_runtime.device.random_matrices import random_activations
from tests.sw_runtime.device.matrices import random_matrix
from tests.sw_runtime.device.test_driver import ENGINE, Canned

THREADS = 8

ROUTER = RouterParameters(lanes=8, keys=112)


@pytest.mark.parametrize("kind", ["emulated", "driven"])
def test_products_and_commands_of_eight_threads_are_all_counted(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    device: Device = EmulatedDevice(ENGINE, ROUTER) if kind == "emulated" else Driver("x", Canned(), ENGINE, ROUTER)
    activations = random_activations(1, 20, 16)
    load = Command(Opcode.LOAD, flags=Flag.DATA | KeyFormat.U24, n=9)

    def work(_: object) -> None:
        handle = device.load(random_matrix("fp16", 5, 20))
        device.matvec(handle, activations)
        device.route_matvec(handle, activations, Command(Opcode.LOAD, flags=Flag.DATA | KeyFormat.S24, n=5))
        device.route([Request(load, bytes(27))])
        device.unload(handle)

    work(None)
    one = device.counters
    add = Counters.__add__

    def slow_add(self: Counters, other: Counters) -> Counters:
        found = add(self, other)
        time.sleep(0.001)  # another thread runs meanwhile
        return found

    monkeypatch.setattr(Counters, "__add__", slow_add)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    monkeypatch.undo()
    wanted = sum([one] * THREADS, start=one)
    assert device.counters == wanted
    assert wanted.router_bytes > one.router_bytes > 0


def test_handles_of_threads_differ() -> None:
    device = EmulatedDevice(ENGINE)
    matrix = random_matrix("fp16", 5, 20)
    with ThreadPoolExecutor(THREADS) as pool:
        handles = list(pool.map(lambda _: device.load(matrix), range(100)))
    assert len(set(handles)) == 100
    assert torch.equal(*(device.matvec(handle, random_activations(1, 20, 16)) for handle in (handles[0], handles[-1])))
