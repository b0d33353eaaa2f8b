"""The accumulators under Verilator, and their width at its very bound."""

from pathlib import Path

import pytest
from amaranth.hdl import Period
from amaranth.sim import Simulator, SimulatorContext

from hw.accumulators import Accumulators
from hw.parameters import FORMAT_NAMES, EngineParameters
from tests.hw.benches import accumulators
from tests.hw.packed import Packed
from tests.hw.simulate import run_bench


def test_totals_leave_exact_in_order_and_complete(tmp_path: Path) -> None:
    run_bench(Packed(**accumulators.subjects()), "accumulators", tmp_path)
