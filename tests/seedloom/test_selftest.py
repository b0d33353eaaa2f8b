"""``seedloom selftest``: a line a part, and an exit code."""

import json

import pytest
from typer.testing import CliRunner

from seedloom.cli import app
from sw_runtime.device import selftest as module
from sw_runtime.device.selftest import Check, Outcome


def test_a_simulated_board_behind_a_terminal_passes() -> None:
    result = CliRunner().invoke(app, ["selftest", "serial:pty", "--json"])
    assert result.exit_code == 0, result.output
    checks = {check["part"]: check for check in json.loads(result.stdout)}
    assert {part: check["outcome"] for part, check in checks.items()} == {
        "link": "ok",
        "memory": "ok",
        "engine": "ok",
        "router": "none",
        "clock": "none",
    }
    assert checks["memory"]["found"].startswith("67,108,864 bytes; 32 data lines, 24 address lines")
    assert "packets sent again, build 00000000" in checks["link"]["found"]


def test_every_part_is_a_line_and_a_router_is_tried_where_asked_for() -> None:
    result = CliRunner().invoke(app, ["selftest", "emulated", "--router"])
    assert result.exit_code == 0, result.output
    assert [line.split()[:2] for line in result.stdout.splitlines()] == [
        ["link", "none"],
        ["memory", "none"],
        ["engine", "ok"],
        ["router", "ok"],
        ["clock", "none"],
    ]


def test_a_failure_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "selftest", lambda device: [Check("engine", Outcome.FAILED, "wrong")])
    result = CliRunner().invoke(app, ["selftest", "emulated"])
    assert (result.exit_code, result.stdout) == (1, "engine  FAILED  wrong\n")


def test_a_format_that_is_none_is_refused() -> None:
    result = CliRunner().invoke(app, ["selftest", "emulated", "--format", "zz"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: unknown format 'zz'")
