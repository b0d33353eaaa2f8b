"""Lanes under Verilator: a block a cycle, exact sums after ``latency`` cycles."""

from pathlib import Path

from tests.hw.benches import fp16_lane, lane
from tests.hw.packed import Packed
from tests.hw.simulate import run_bench


def test_seed_lanes_give_exact_sums_in_every_format_and_batch(tmp_path: Path) -> None:
    run_bench(Packed(**lane.subjects()), "lane", tmp_path)


def test_fp16_lanes_give_exact_sums_for_every_weight(tmp_path: Path) -> None:
    run_bench(Packed(**fp16_lane.subjects()), "fp16_lane", tmp_path)
