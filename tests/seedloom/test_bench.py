"""``seedloom bench engine``: the paper's experiment in one command."""

import json

import pytest
from typer.testing import CliRunner

from seedloom import random_product
from seedloom.cli import app


def test_seeds_are_measured_against_fp16_and_checked_bit_for_bit() -> None:
    result = CliRunner().invoke(app, ["bench", "engine", "--rows", "64", "--cols", "512", "--json"])
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)
    assert measured["exact"] is True
    # 4 row groups of 64 column blocks against 16 groups of 64, 16 beats of activations each
    assert measured["cycles"] == 16 + 4 * 64 + 13
    assert measured["baseline_cycles"] == 16 + 16 * 64 + 13
    assert measured["port_busy"] == pytest.approx((16 + 4 * 64) / measured["cycles"])
    assert measured["speedup"] == pytest.approx(measured["baseline_cycles"] / measured["cycles"])
    assert measured["sim_cycles_per_second"] > 0
    assert (measured["lanes"], measured["port_bytes"], measured["format"]) == (16, 64, "scaled-4bit")


@pytest.mark.parametrize(("format", "blocks"), [("palette-4bit", 64), ("palette-2bit", 32)])
def test_a_palettes_row_groups_start_with_their_table(format: str, blocks: int) -> None:
    arguments = ["bench", "engine", "--format", format, "--rows", "64", "--cols", "512", "--json"]
    measured = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert measured["exact"] is True
    activation_beats = -(-(blocks + 1) * 512 // blocks * 16 // 512)
    latency = {"palette-4bit": 13, "palette-2bit": 14}[format]  # a tree of 8 and of 16 products
    assert measured["cycles"] == activation_beats + 4 * (blocks + 1) + latency


def test_the_table_says_what_was_compared() -> None:
    result = CliRunner().invoke(app, ["bench", "engine", "--rows", "16", "--cols", "64"])
    assert "scaled-4bit, 16 x 64, 16 lanes, 64 bytes per cycle" in result.stdout
    assert "results equal the integer product: yes" in result.stdout


def test_a_port_too_narrow_for_a_word_is_refused() -> None:
    result = CliRunner().invoke(app, ["bench", "engine", "--format", "paper-3bit", "--port-bytes", "4"])
    assert result.exit_code == 1
    assert "--port-bytes 4 cannot carry a 36-bit word of paper-3bit; it takes 5 or more" in result.stderr


def test_an_unknown_format_is_refused() -> None:
    result = CliRunner().invoke(app, ["bench", "engine", "--format", "int4"])
    assert result.exit_code == 1
    assert "int4" in result.stderr
    assert "scaled-4bit" in result.stderr


@pytest.mark.parametrize("command", [["bench", "engine"], ["simulate", "product"]])
def test_a_matrix_larger_than_the_memory_is_refused_before_it_is_made(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random_product, "memory_bytes", lambda: 10**12)
    result = CliRunner().invoke(app, [*command, "--rows", "1048576", "--cols", "32768"])
    assert result.exit_code == 1
    assert result.stderr == (
        "error: a product of 1048576 x 32768 takes about 1,100 GB to compare, and this machine has 1,000; "
        "take fewer rows or columns\n"
    )


def test_a_matrix_larger_than_any_engines_is_refused_by_the_options_name() -> None:
    result = CliRunner().invoke(app, ["bench", "engine", "--cols", "32769"])
    assert result.exit_code == 2
    assert "'--cols'" in result.stderr
    assert "32768" in result.stderr
