"""Generators under Verilator: one block a cycle, ``GENERATOR_LATENCY`` cycles from word to weights."""

from pathlib import Path

from tests.hw.benches import generator
from tests.hw.packed import Packed
from tests.hw.simulate import run_bench


def test_every_seed_of_every_preset_gives_the_golden_weights(tmp_path: Path) -> None:
    run_bench(Packed(**generator.subjects()), "generator", tmp_path)
