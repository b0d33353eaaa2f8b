"""Engines under Verilator: exact results, full rate, stream rules, no dependence on what was before."""

import re
from pathlib import Path

import pytest

from hw.engine.engine import Engine
from hw.verilog import convert
from tests.hw.benches.engine import ENGINES
from tests.hw.simulate import TOP, run_bench, run_verilog


@pytest.mark.parametrize("name", ENGINES)
def test_products_are_exact_whatever_stalls(name: str, tmp_path: Path) -> None:
    run_bench(Engine(ENGINES[name]), "engine", tmp_path, subject=name)


def test_results_depend_on_reset_not_on_initial_values(tmp_path: Path) -> None:
    verilog = convert(Engine(ENGINES["scaled-4bit"]), TOP)
    uninitialised, registers = re.subn(r"^(\s*reg [^=;]*) = [^;]*;", r"\1;", verilog, flags=re.MULTILINE)
    assert registers > 50
    without_memory, words = re.subn(r"^\s*\S+\[\d+\] = [^;]*;$", "", uninitialised, flags=re.MULTILINE)
    assert words > 0
    run_verilog(without_memory, "engine", tmp_path, subject="scaled-4bit")


def test_verilog_is_the_same_every_time() -> None:
    assert convert(Engine(ENGINES["mixed"]), TOP) == convert(Engine(ENGINES["mixed"]), TOP)
