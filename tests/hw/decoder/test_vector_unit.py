"""The vector unit under Verilator, and faults that its check finds."""

from pathlib import Path

from tests.hw.decoder.mutants import VECTOR_MUTANTS
from tests.hw.decoder.vector_commands import BATCH, SLOTS, WORDS
from tests.hw.simulate import run_verilog
from tests.hw.switched_mutants import switched_verilog


def test_vectors_are_exact_whatever_stalls_and_every_fault_is_found(tmp_path: Path) -> None:
    imports = """
from hw.decoder.vector_unit import VectorUnit
from tests.hw.decoder.vectors_by_turns import VectorsByTurns
"""
    unit = f"VectorsByTurns(VectorUnit({WORDS}, {SLOTS}, {BATCH}), {BATCH})"
    verilog = switched_verilog(VECTOR_MUTANTS, "decoder", imports, unit, tmp_path, top="top")
    run_verilog(verilog, "vector_unit", tmp_path)
