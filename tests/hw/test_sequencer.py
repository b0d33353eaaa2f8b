"""The sequencer under Verilator: order, counts, gaps and what it waits for."""

from pathlib import Path

import pytest

from hw.engine.sequencer import Sequencer
from tests.hw.benches.sequencer import ENGINES
from tests.hw.packed import Packed
from tests.hw.simulate import run_bench


@pytest.mark.parametrize("name", ENGINES)
def test_beats_are_told_apart_in_order(name: str, tmp_path: Path) -> None:
    run_bench(Packed(dut=Sequencer(ENGINES[name])), "sequencer", tmp_path, subject=name)
