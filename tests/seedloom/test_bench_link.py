"""``seedloom bench link``: a link is measured and every byte compared, in one command."""

import json
import os
import threading
import tty

import pytest
from typer.testing import CliRunner

from formats.board_requests import Opcode
from formats.errors import InputError
from golden_models.link import LinkModel
from seedloom import bench_link
from seedloom.bench_link import LinkBenchmark, measure_link
from seedloom.cli import app
from sw_runtime.device import serial_board
from tests.sw_runtime.device.board.model_channel import SIZE, ModelChannel
from tests.sw_runtime.device.link.channels import Bench


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> ModelChannel:
    """A model of a board behind a line in virtual time, which every place leads to."""
    bench, model = Bench(), ModelChannel()

    def answer(request: list[int]) -> list[int]:
        model.opcodes.append(request[0])
        return model.answer(request)

    bench.device = LinkModel(answer)
    monkeypatch.setattr(serial_board, "serial_channel", lambda place: bench.channel())
    return model


def test_a_bar_goes_with_what_is_written_and_read(board: ModelChannel) -> None:
    result = CliRunner().invoke(app, ["bench", "link", "--device", "serial:line", "--size", "20000"])
    assert result.exit_code == 0, result.output
    assert "what was read is what was written: yes" in result.stdout
    first, *_, last = result.stderr.splitlines()
    assert first.startswith("link:   0% 0.00/40.0k")
    assert last.startswith("link: 100% 40.0k/40.0k")


def test_more_than_the_memory_is_refused_before_anything_is_sent(board: ModelChannel) -> None:
    result = CliRunner().invoke(app, ["bench", "link", "--device", "serial:line", "--size", str(SIZE + 4)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "error: --size must be 33,554,432 bytes or less, what the board's memory has, not 33,554,436\n"
    )
    assert board.opcodes == [Opcode.IDENTIFY]


def test_a_port_that_returns_what_is_sent_is_one_line() -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    path = os.ttyname(theirs)
    echo = threading.Thread(target=lambda: os.write(ours, os.read(ours, 1 << 12)), daemon=True)
    echo.start()
    result = CliRunner().invoke(app, ["bench", "link", "--device", f"serial:{path}"])
    echo.join()
    for end in (ours, theirs):
        os.close(end)
    assert (result.exit_code, result.stdout) == (1, "")
    fault = "the line returns what is sent to it: its two wires are joined or crossed; check the cable"
    assert result.stderr == f"error: {path}: {fault}\n"


def test_a_simulated_board_is_measured_through_a_terminal() -> None:
    result = CliRunner().invoke(app, ["bench", "link", "--size", "2048", "--json"])
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)
    assert measured["exact"] is True
    assert (measured["window"], measured["words"], measured["build"]) == (4, 1024, 0)
    assert min(measured[f"{what}_bytes_per_second"] for what in ("upload", "read")) > 0
    assert 0 < measured["share_of_line"] < 1
    assert measured["round_trip_milliseconds"] > 0


def test_the_text_says_that_the_board_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = LinkBenchmark(4, 1024, 0xBEEF, 1.5, 2e5, 3e5, 0.97, 2, exact=True, real_time=False)
    monkeypatch.setattr(bench_link, "measure_link", lambda device, size: measured)
    result = CliRunner().invoke(app, ["bench", "link", "--size", "1024"])
    assert result.exit_code == 0, result.output
    assert "what was read is what was written: yes" in result.stdout
    assert "the board is simulated" in result.stdout


@pytest.mark.parametrize(
    ("device", "size", "message"),
    [
        ("emulated", 64, "a link is measured to serial:pty or serial:PATH@BAUD of a port, not 'emulated'"),
        ("serial:pty", 6, "size must be a multiple of 4 bytes, 4 or more, not 6"),
        ("serial:pty", 0, "size must be a multiple of 4 bytes, 4 or more, not 0"),
    ],
)
def test_what_is_no_link_is_refused(device: str, size: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure_link(device, size)


def test_a_port_that_is_not_there_is_one_line() -> None:
    result = CliRunner().invoke(app, ["bench", "link", "--device", "serial:/dev/no-such-port"])
    assert result.exit_code != 0
    assert "Traceback" not in result.output
