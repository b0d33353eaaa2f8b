"""The attention unit under Verilator, and faults that its check finds."""

from pathlib import Path

from tests.hw.decoder.attention_problems import LANES, LENGTH, POSITIONS, QUERIES
from tests.hw.decoder.mutants import ATTENTION_MUTANTS
from tests.hw.simulate import run_verilog
from tests.hw.switched_mutants import switched_verilog


def test_means_are_exact_whatever_stalls_and_every_fault_is_found(tmp_path: Path) -> None:
    imports = "from hw.decoder.attention_unit import AttentionUnit"
    unit = f"AttentionUnit({QUERIES}, {LANES}, {LENGTH}, {POSITIONS})"
    run_verilog(
        switched_verilog(ATTENTION_MUTANTS, "decoder", imports, unit, tmp_path, top="top"), "attention", tmp_path
    )
