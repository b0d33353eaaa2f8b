"""Devices with a router: commands in, the same answers from the emulated and from the simulated one."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch

from formats.engine import EngineParameters
from formats.errors import InputError
from formats.router.descriptor import Command, Flag, Opcode, RouterParameters, Status
from formats.router.stream import to_bytes
from sw_runtime.device.cycle_limits import cycle_limit
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.device.protocol import Counters, Request
from sw_runtime.device.router_driver import RouterDriver
from sw_runtime.device.routing import EmulatedRouter
from sw_runtime.device.simulated import simulated_device, simulated_router
from tests.hw.router.problems import Problems
from tests.sw_runtime.device.matrices import random_matrix

SMALL = RouterParameters(lanes=8, digit_bits=6, keys=112, slots=5, sets=3, ways=5)
ENGINE = EngineParameters(
    ("scaled-3bit", "fp16"), port_bytes=4, activation_bits=8, maximum_columns=200, maximum_rows=120
)


@pytest.fixture
def simulated() -> Iterator[RouterDriver]:
    router = simulated_router(SMALL)
    yield router
    router.close()


@pytest.mark.parametrize("opcode", Opcode, ids=lambda opcode: opcode.name)
def test_both_routers_answer_alike_within_the_limit_of_cycles(simulated: RouterDriver, opcode: Opcode) -> None:
    problems, emulated = Problems(SMALL, Random(opcode)), EmulatedRouter(SMALL)
    for _ in range(40):
        for drawn in (problems.draw(opcode), problems.draw(Opcode.LOAD), problems.draw(Opcode.PUTBM)):
            request = Request(drawn.command, drawn.data)
            expected, limit = emulated.execute(request)
            answer, cycles = simulated.execute(request)
            assert answer == expected
            assert 0 < cycles <= limit == cycle_limit(request.command, SMALL)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (Request(Command(0x7F)), Status.BAD_OP),
        (Request(Command(Opcode.NOP, flags=Flag.OUT | 1)), Status.BAD_ARG),
        (Request(Command(Opcode.RANGE, dst=5)), Status.BAD_SLOT),
        (Request(Command(Opcode.READKEYS, flags=Flag.OUT, n=0xFFFFFF)), Status.BAD_N),
        (Request(Command(Opcode.LOAD, flags=Flag.DATA | 1, n=113), bytes(3 * 113)), Status.BAD_N),
        (Request(Command(Opcode.LOAD, flags=Flag.DATA | 1, n=9), bytes(3)), Status.SHORT),
        (Request(Command(Opcode.LOAD, flags=Flag.DATA | 1, n=9), bytes(3 * 17)), Status.LONG),
    ],
)
def test_a_status_that_is_not_ok_is_answered_alike(simulated: RouterDriver, request_: Request, status: Status) -> None:
    assert simulated.execute(request_)[0] == EmulatedRouter(SMALL).execute(request_)[0]
    assert simulated.execute(request_)[0].status == status


def test_memories_last_from_call_to_call() -> None:
    devices = EmulatedDevice(router=SMALL), simulated_device(ENGINE, simulators=1, router=SMALL)
    command = Command(Opcode.LOAD, flags=Flag.DATA | 1, n=3)
    for device in devices:
        device.route([Request(command, to_bytes([1, 70_000, 3], command))])
        (answer,) = device.route([Request(Command(Opcode.READKEYS, tag=7, flags=Flag.OUT, n=3))])
        assert answer.payload == (1, 0, 70_000 & 0xFFFF, 1, 3, 0)
        assert (answer.tag, answer.count) == (7, 3)
        device.close()


def test_counters_tell_cycles_and_bytes_of_the_router() -> None:
    devices = EmulatedDevice(router=SMALL), simulated_device(ENGINE, simulators=1, router=SMALL)
    command = Command(Opcode.LOAD, flags=Flag.DATA | 1, n=16)
    spent = []
    for device in devices:
        device.route([Request(command, bytes(48)), Request(Command(Opcode.READKEYS, flags=Flag.OUT, n=16))])
        spent.append(device.counters)
        device.close()
    emulated, simulated = spent
    assert emulated == Counters(router_cycles=18 + 48, router_bytes=2 * (20 + 12) + 48 + 64)
    assert simulated == replace(emulated, router_cycles=simulated.router_cycles)
    assert 2 + 32 < simulated.router_cycles <= 18 + 48


def test_a_device_without_a_router_refuses_commands_with_the_remedy() -> None:
    for device in (EmulatedDevice(), simulated_device(ENGINE, simulators=1)):
        assert device.info().router is None
        with pytest.raises(ValueError, match=r"this device has no router; open it with router=RouterParameters\(\)"):
            device.route([Request(Command(Opcode.NOP))])
        device.close()


def test_data_without_their_flag_are_refused() -> None:
    with pytest.raises(
        ValueError, match="flag DATA is False, but 3 bytes of data are given; set it when there are data"
    ):
        Request(Command(Opcode.LOAD, n=1), bytes(3))
    with pytest.raises(ValueError, match="flag DATA is True, but 0 bytes of data are given"):
        Request(Command(Opcode.LOAD, flags=Flag.DATA, n=1))


def test_hardware_takes_no_digits_of_more_than_six_bits() -> None:
    with pytest.raises(ValueError, match="digit_bits must be at most 6 in hardware"):
        simulated_router(RouterParameters(digit_bits=8))


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        (None, "requests must be Sequence, not None"),
        ("LOAD", "request must be Request, not 'L'"),
        ([Request(Command(Opcode.NOP)), 1], "request must be Request, not 1"),
    ],
)
def test_what_is_no_request_is_refused_before_any_is_run(requests: Any, said: str) -> None:
    device = EmulatedDevice(router=SMALL)
    with pytest.raises(InputError, match=f"^{said}$"):
        device.route(requests)
    assert device.counters == Counters()


def test_a_request_is_a_command_and_bytes() -> None:
    with pytest.raises(InputError, match="command must be Command, not 'LOAD'"):
        Request("LOAD")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"data must be bytes, not \[1\]"):
        Request(Command(Opcode.LOAD, flags=Flag.DATA, n=1), [1])  # type: ignore[arg-type]


def test_what_is_no_command_takes_no_results() -> None:
    device = EmulatedDevice(router=SMALL)
    handle = device.load(random_matrix("scaled-3bit", 2, 8))
    with pytest.raises(InputError, match="command must be Command, not None"):
        device.route_matvec(handle, torch.zeros(1, 8, dtype=torch.int64), None)  # type: ignore[arg-type]
