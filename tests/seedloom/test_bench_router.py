"""``seedloom bench router``: cycles of every primitive in one command."""

import json
from random import Random

import pytest
from typer.testing import CliRunner

from seedloom.bench_router import commands
from seedloom.cli import app


def test_every_primitive_is_measured_beside_its_limit_and_checked() -> None:
    result = CliRunner().invoke(app, ["bench", "router", "--n", "64", "--lanes", "16", "--json"])
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)
    assert measured["topk"]["n=64,lanes=16"]["limit"] == 7 * 4 + 6 * 10 + 28
    assert measured["load"]["n=64,lanes=16"]["limit"] == 4 + 16
    for name, cases in measured.items():
        (case,) = cases.values()
        assert case["exact"] is True, name
        assert 0 < case["cycles"] <= case["limit"], name


def test_drafts_and_experts_stop_at_what_a_command_takes() -> None:
    elements = {name: request.command.n for name, request in commands(4096, Random(0))}
    assert (elements["prefix"], elements["prefix_stochastic"], elements["lru"]) == (511, 765, 16)
    assert elements["topk"] == elements["segll"] == 4096


def test_the_table_has_a_row_a_primitive_and_a_column_a_case() -> None:
    result = CliRunner().invoke(app, ["bench", "router", "--n", "64", "--n", "16", "--lanes", "16"])
    lines = result.stdout.splitlines()
    assert lines[0] == "| cycles (limit) | n=64,lanes=16 | n=16,lanes=16 |"
    topk = next(line for line in lines if line.startswith("| topk |"))
    assert topk.count("(116)") == topk.count("(95)") == 1
    assert lines[-1] == "answers equal the golden unit's: yes"


@pytest.mark.parametrize("n", ["17", "4112"])
def test_a_size_that_is_no_whole_number_of_words_is_refused(n: str) -> None:
    result = CliRunner().invoke(app, ["bench", "router", "--n", n])
    assert result.exit_code == 1
    assert f"n must be a multiple of 16 from 16 to 4096, not {n}" in result.stderr


def test_a_number_of_lanes_that_cannot_be_built_is_refused() -> None:
    result = CliRunner().invoke(app, ["bench", "router", "--lanes", "3"])
    assert result.exit_code == 1
    assert "lanes must be 4, 8 or 16, not 3" in result.stderr
