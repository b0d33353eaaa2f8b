"""A simulated board behind a pseudo-terminal: hardware, system and host as they are, only the cable is not."""

import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest

from formats.board_requests import Opcode, answer_of, request_words
from formats.errors import DependencyError, DeviceError
from sw_runtime.device.board.memory import download, upload
from sw_runtime.device.link import lines
from sw_runtime.device.link.channel import LinkChannel
from sw_runtime.device.link.lines import SerialPort
from sw_runtime.device.serial_board import TERMINAL_BAUD, TERMINAL_BOARD, TERMINAL_ENGINE
from sw_runtime.device.simulated_board import board_parameters
from sw_runtime.device.simulator.terminal import TerminalBoard

OCTETS = np.random.default_rng(1).integers(256, size=2048, dtype=np.uint8)
PRODUCT = request_words(Opcode.PRODUCT, 0, 1, 1, 1, 0, 64, 128)


@pytest.fixture
def board() -> Iterator[TerminalBoard]:
    made = TerminalBoard(board_parameters(TERMINAL_BOARD, TERMINAL_ENGINE))
    yield made
    made.close()


@pytest.fixture
def channel(board: TerminalBoard) -> Iterator[LinkChannel]:
    with LinkChannel(lambda: SerialPort(board.path, TERMINAL_BAUD), silence_seconds=60) as opened:
        yield opened


class NoisyPort(SerialPort):
    """A port that flips a bit in one of 1,000 bytes, and counts them."""

    def __init__(self, path: str) -> None:
        super().__init__(path, TERMINAL_BAUD)
        self.damaged, self._random = 0, Random(5)

    def read(self, seconds: float) -> bytes:
        return self._noisy(super().read(seconds))

    def write(self, octets: bytes) -> None:
        super().write(self._noisy(octets))

    def _noisy(self, octets: bytes) -> bytes:
        hits = [self._random.random() < 1 / 1000 for _ in octets]
        self.damaged += sum(hits)
        return bytes(octet ^ (hit << self._random.randrange(8)) for octet, hit in zip(octets, hits, strict=True))


def products(channel: LinkChannel) -> int:
    """Products that the board has done."""
    return answer_of(Opcode.COUNTERS, channel.ask(request_words(Opcode.COUNTERS)))[0]["products"]


def test_the_board_says_what_it_is(channel: LinkChannel) -> None:
    assert (channel.welcome.window, channel.welcome.words, channel.welcome.build) == (4, 1024, 0)


def test_memory_is_right_through_a_terminal_that_damages_both_directions(board: TerminalBoard) -> None:
    port = NoisyPort(board.path)
    with LinkChannel(lambda: port, silence_seconds=60) as channel:
        channel.data_words = 30  # so short that most packets pass
        assert upload(channel, 0, OCTETS) == len(OCTETS)
        assert upload(channel, 0, OCTETS) == 0
        assert (download(channel, 0, len(OCTETS) // 4) == OCTETS).all()
    assert port.damaged > 3


def test_without_its_cable_the_board_keeps_its_session(board: TerminalBoard, channel: LinkChannel) -> None:
    path = board.path
    assert products(channel) == 0
    board.unplug()
    with pytest.raises(DeviceError, match=rf"^{path} is gone \(.*\): plug the cable in and open the device again$"):
        channel.ask(PRODUCT)
    board.plug()
    channel.reconnect()
    assert products(channel) == 1, "the one that found no cable was done once"


def test_a_cable_that_goes_while_an_answer_is_awaited_costs_one_line_at_once(
    board: TerminalBoard, channel: LinkChannel
) -> None:
    requests = (request_words(Opcode.CHECKSUM, 0, 512) for _ in range(10_000))
    unplugging = threading.Timer(0.2, board.unplug)
    unplugging.start()
    with pytest.raises(DeviceError, match=f"^{board.path} is gone ") as raised:
        deque(channel.exchange(requests), maxlen=0)
    unplugging.join()
    assert "\n" not in str(raised.value)


def test_a_reconnection_without_a_board_says_so(board: TerminalBoard, channel: LinkChannel) -> None:
    path = board.path
    board.unplug()
    with pytest.raises(
        DeviceError, match=f"^{path} cannot be opened at 230400 baud: No such file or directory; is the board connected"
    ):
        channel.reconnect()


def test_a_port_that_another_program_has_is_refused(board: TerminalBoard, channel: LinkChannel) -> None:
    with pytest.raises(DeviceError, match=f"^{board.path} cannot be opened at 230400 baud: "):
        SerialPort(board.path, TERMINAL_BAUD)


def test_a_closed_port_says_so(board: TerminalBoard) -> None:
    port = SerialPort(board.path, TERMINAL_BAUD)
    port.close()
    with pytest.raises(DeviceError, match=f"^{board.path} is closed: open the device again$"):
        port.read(0)


def test_a_path_that_is_no_port_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DeviceError,
        match=r"none cannot be opened at 9600 baud: No such file or directory; is the board connected, is this",
    ):
        SerialPort(str(tmp_path / "none"), 9600)


def test_a_port_without_a_name_is_refused() -> None:
    with pytest.raises(DeviceError, match=r"^a port without a name cannot be opened at 9600 baud: "):
        SerialPort("", 9600)


def test_a_rate_that_the_system_has_no_number_for_is_refused(board: TerminalBoard) -> None:
    with pytest.raises(DeviceError, match=f"^{board.path} cannot be opened at {10**14} baud: "):
        SerialPort(board.path, 10**14)


def test_without_pyserial_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "serial", None)
    with pytest.raises(DependencyError, match=r"a serial port needs pyserial: pip install 'seedloom\[board\]'"):
        SerialPort("/dev/null", TERMINAL_BAUD)


@pytest.mark.parametrize(("milliseconds", "slow"), [(16, True), (1, False)])
def test_a_slow_latency_timer_is_told_with_its_remedy(
    board: TerminalBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, milliseconds: int, slow: bool
) -> None:
    timer = tmp_path / Path(board.path).name / "latency_timer"
    timer.parent.mkdir()
    timer.write_text(f"{milliseconds}\n")
    monkeypatch.setattr(lines, "LATENCY_FOLDER", tmp_path)
    port = SerialPort(board.path, TERMINAL_BAUD)
    assert port.latency_ms == milliseconds
    advice = f"{board.path} keeps bytes for 16 ms and slows every exchange: echo 1 | sudo tee {timer}"
    assert port.advice == (advice if slow else "")
    port.close()


def test_a_port_without_a_latency_timer_needs_no_advice(board: TerminalBoard) -> None:
    port = SerialPort(board.path, TERMINAL_BAUD)
    assert (port.latency_ms, port.advice) == (None, "")
    port.close()
