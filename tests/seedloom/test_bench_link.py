"""``seedloom bench link``: a link is measured and every byte compared, in one command."""

import json

import pytest
from typer.testing import CliRunner

from formats.errors import InputError
from seedloom import bench_link
from seedloom.bench_link import LinkBenchmark, measure_link
from seedloom.cli import app


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
