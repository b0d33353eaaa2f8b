"""The row scale under Verilator, and faults that its check finds."""

from pathlib import Path

from tests.hw.decoder.mutants import ROW_SCALE_MUTANTS
from tests.hw.simulate import run_verilog
from tests.hw.switched_mutants import switched_verilog


def test_elements_are_exact_whatever_stalls_and_every_fault_is_found(tmp_path: Path) -> None:
    imports = "from hw.decoder.row_scale import RowScale"
    verilog = switched_verilog(ROW_SCALE_MUTANTS, "decoder", imports, "RowScale()", tmp_path, top="top")
    run_verilog(verilog, "row_scale", tmp_path)
