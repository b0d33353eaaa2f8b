"""The activation memory under Verilator: every port width, activation width and block size."""

from pathlib import Path

from tests.hw.benches import activation_memory
from tests.hw.packed import Packed
from tests.hw.simulate import run_bench


def test_blocks_are_read_as_the_host_laid_them_out(tmp_path: Path) -> None:
    run_bench(Packed(**activation_memory.subjects()), "activation_memory", tmp_path)
