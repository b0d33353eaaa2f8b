"""The best keys under Verilator, and faults that their check finds."""

from pathlib import Path

from tests.hw.benches.best_keys import BEST, KEYS
from tests.hw.decoder.mutants import BEST_KEYS_MUTANTS
from tests.hw.simulate import run_verilog
from tests.hw.switched_mutants import switched_verilog


def test_the_best_are_the_routers_whatever_stalls_and_every_fault_is_found(tmp_path: Path) -> None:
    imports, unit = "from hw.decoder.best_keys import BestKeys", f"BestKeys({KEYS}, {BEST})"
    verilog = switched_verilog(BEST_KEYS_MUTANTS, "decoder", imports, unit, tmp_path, top="top")
    run_verilog(verilog, "best_keys", tmp_path)
