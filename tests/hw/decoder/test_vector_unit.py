"""The vector unit under Verilator, and faults that its check finds."""

from pathlib import Path

from hw.decoder.vector_unit import VectorUnit
from tests.hw.decoder.mutants import VECTOR_MUTANTS
from tests.hw.decoder.vector_commands import SLOTS, WORDS
from tests.hw.simulate import run_bench, run_verilog
from tests.hw.switched_mutants import switched_verilog


def test_vectors_are_exact_whatever_stalls(tmp_path: Path) -> None:
    run_bench(VectorUnit(WORDS, SLOTS), "vector_unit", tmp_path)


def test_the_check_finds_every_mutant(tmp_path: Path) -> None:
    imports, unit = "from hw.decoder.vector_unit import VectorUnit", f"VectorUnit({WORDS}, {SLOTS})"
    verilog = switched_verilog(VECTOR_MUTANTS, "decoder", imports, unit, tmp_path, top="top")
    run_verilog(verilog, "vector_unit_mutants", tmp_path)
