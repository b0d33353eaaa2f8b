"""A board over a serial line is a device like the others; what stands in its way is one line."""

import logging
from pathlib import Path

import pytest
import torch

import seedloom
from formats.errors import DeviceError, InputError
from formats.router.descriptor import RouterParameters
from golden_models.seedlm.datapath import matvec
from sw_runtime.device import serial_board as module
from sw_runtime.device.link import lines
from sw_runtime.device.random_matrices import random_activations
from sw_runtime.device.serial_board import TERMINAL_ENGINE, serial_board, serial_channel
from sw_runtime.device.simulated_board import board_parameters
from sw_runtime.device.simulator.terminal import TerminalBoard
from tests.sw_runtime.device.matrices import random_matrix


def test_a_simulated_board_behind_a_terminal_multiplies_as_the_golden_datapath() -> None:
    device = seedloom.open_device("serial:pty", parameters=TERMINAL_ENGINE)
    matrix, activations = random_matrix("scaled-4bit", 40, 70), random_activations(2, 70, 16)
    assert torch.equal(device.matvec(device.load(matrix), activations), matvec(matrix, activations))
    assert device.info().name == "serial:pty"
    device.close()


def test_a_port_is_found_by_path_and_rate_and_its_slow_timer_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    board = TerminalBoard(board_parameters("ulx3s-64mb", TERMINAL_ENGINE))
    timer = tmp_path / Path(board.path).name / "latency_timer"
    timer.parent.mkdir()
    timer.write_text("16\n")
    monkeypatch.setattr(lines, "LATENCY_FOLDER", tmp_path)
    monkeypatch.setattr(module, "SILENCE_SECONDS", 60.0)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            channel = serial_channel(f"{board.path}@9600")
            assert channel.line.seconds_an_octet == 10 / 9600
            channel.close()
    assert [record.message for record in caplog.records] == [
        f"{board.path} keeps bytes for 16 ms and slows every exchange: echo 1 | sudo tee {timer}"
    ]
    board.close()


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("/dev/ttyUSB0@fast", "what follows @ in '/dev/ttyUSB0@fast' must be bits per second, such as 3000000"),
        ("/dev/ttyUSB0@0", "what follows @ in '/dev/ttyUSB0@0' must be bits per second"),
        ("pty:ulx4s", "no board 'ulx4s'; choose from ulx3s-32mb, ulx3s-64mb"),
    ],
)
def test_a_place_that_is_none_is_refused(place: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        serial_board(place)


def test_a_card_for_a_board_without_a_slot_is_refused_before_a_simulator_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TerminalBoard", None)
    with pytest.raises(InputError, match=r"^no card is loaded into the memory of orangecrab; choose from ulx3s-32mb, "):
        serial_channel("pty:orangecrab", card=bytes(512))


def test_a_port_that_is_not_there_is_refused() -> None:
    with pytest.raises(DeviceError, match=r"^/dev/no-such-port cannot be opened at 3000000 baud: No such file or "):
        serial_board("/dev/no-such-port")


def test_a_router_is_refused_before_a_port_is_opened() -> None:
    with pytest.raises(DeviceError, match=r"^the board has no router: leave the work to the host, or open another dev"):
        serial_board("/dev/no-such-port", router=RouterParameters())
