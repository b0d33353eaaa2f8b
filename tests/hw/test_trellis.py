"""Trellis generators: every window under Verilator, and what a generator refuses."""

from dataclasses import replace
from pathlib import Path

import pytest

from formats.presets import TRELLIS_PRESETS
from hw.engine.trellis import OddTable, TrellisGenerator
from tests.hw.benches import trellis
from tests.hw.packed import Packed
from tests.hw.simulate import run_bench

FOUR, THREE = TRELLIS_PRESETS["trellis-4bit"], TRELLIS_PRESETS["trellis-3bit"]


def test_every_window_gives_the_golden_weight(tmp_path: Path) -> None:
    run_bench(Packed(**trellis.subjects()), "trellis", tmp_path)


def test_formats_of_two_codes_are_refused() -> None:
    other = replace(THREE, name="other", masks=(THREE.masks[0] ^ 1 << 11, *THREE.masks[1:]))
    with pytest.raises(ValueError, match="trellis-4bit, other have different codes: each takes its own generator"):
        TrellisGenerator(FOUR, other)


@pytest.mark.parametrize("table", [(-2, -1, 1, 3), (1, 0, -1, -2)], ids=["not odd", "falling"])
def test_a_table_that_is_not_odd_is_refused(table: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a trellis table in hardware holds 0 or more in its upper half"):
        OddTable(table, ports=1)
