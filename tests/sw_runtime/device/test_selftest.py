"""A self-test passes where all is well, finds what is wrong part by part, and says what a device lacks."""

from collections.abc import Sequence

import pytest
import torch

from formats.board_requests import Opcode
from formats.engine import EngineParameters
from formats.errors import DeviceError
from formats.router.descriptor import RouterParameters
from sw_runtime.device.board.transport import BoardTransport
from sw_runtime.device.driver import Driver
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.device.selftest import Check, Outcome, selftest
from tests.sw_runtime.device.board.model_channel import ENGINE, SIZE, ModelChannel

OK, FAILED, NONE = Outcome.PASSED, Outcome.FAILED, Outcome.ABSENT


class Faulty(ModelChannel):
    """A board in its own time: 100 million cycles per second, as it says, or another number.

    Parameters
    ----------
    hertz
        Its clock's rate.
    stuck_line
        An address line that is always 0.
    """

    real_time = True

    def __init__(self, hertz: float = 100e6, stuck_line: int = 0) -> None:
        super().__init__()
        self.now, self._hertz, self._stuck = 0.0, hertz, stuck_line

    def answer(self, request: Sequence[int]) -> list[int]:
        self.now += 1e-3
        if request[0] == Opcode.PRODUCT:
            cycles = 2 * request[2] * request[3]
            self.now += cycles / self._hertz
            return [Opcode.PRODUCT, cycles, cycles // 2]
        if request[0] in (Opcode.WRITE, Opcode.READ):
            request = [request[0], request[1] & ~self._stuck, *request[2:]]
        return super().answer(request)


def outcomes(checks: list[Check]) -> dict[str, Outcome]:
    return {check.part: check.outcome for check in checks}


def board_checks(channel: Faulty) -> dict[str, Check]:
    """All but the engine's: the model multiplies nothing."""
    device = Driver("board", BoardTransport(channel, ENGINE, SIZE), ENGINE)
    checks = list(selftest(device, lambda: channel.now))
    return {check.part: check for check in checks}


def test_a_device_in_this_program_has_an_engine_and_no_more() -> None:
    checks = list(selftest(EmulatedDevice(EngineParameters(("scaled-4bit", "fp16")))))
    assert outcomes(checks) == {"link": NONE, "memory": NONE, "engine": OK, "router": NONE, "clock": NONE}
    assert checks[2].found == "scaled-4bit, fp16: products of 64 x 100, 2 vectors equal the host's"


def test_a_router_that_is_there_is_tried() -> None:
    checks = list(selftest(EmulatedDevice(EngineParameters(("scaled-4bit",)), RouterParameters())))
    assert outcomes(checks)["router"] == OK


def test_an_engine_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    device = EmulatedDevice(EngineParameters(("scaled-4bit",)))
    matvec = device.matvec
    monkeypatch.setattr(device, "matvec", lambda *arguments: matvec(*arguments) + torch.tensor([0, 0, 1] + [0] * 61))
    engine = list(selftest(device))[2]
    assert engine == Check("engine", FAILED, "products of 64 x 100, 2 vectors in scaled-4bit differ from the host's")


def test_a_part_that_stops_answering_fails_and_the_next_one_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    device = EmulatedDevice(EngineParameters(("scaled-4bit",)))

    def gone(matrix: object) -> int:
        raise DeviceError("the line is gone")

    monkeypatch.setattr(device, "load", gone)
    checks = list(selftest(device))
    assert checks[2] == Check("engine", FAILED, "the line is gone")
    assert len(checks) == 5


def test_a_good_memory_and_a_true_clock_pass() -> None:
    checks = board_checks(Faulty())
    assert checks["memory"] == Check(
        "memory", OK, "33,554,432 bytes; 32 data lines, 23 address lines, 2,048 bytes by checksum"
    )
    assert checks["clock"] == Check("clock", OK, "100.0 MHz by the host's clock, 100.0 MHz as the board says")


def test_a_stuck_address_line_is_named() -> None:
    memory = board_checks(Faulty(stuck_line=1 << 20))["memory"]
    assert (memory.outcome, memory.found) == (FAILED, "0 of 512 words wrong, and those at 0x0")


def test_a_clock_of_another_rate_is_found() -> None:
    clock = board_checks(Faulty(hertz=80e6))["clock"]
    assert (clock.outcome, clock.found) == (FAILED, "80.0 MHz by the host's clock, 100.0 MHz as the board says")
