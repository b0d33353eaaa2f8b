"""Faults to seed into the router, all in one build, and the switch that chooses one."""

import ctypes
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hw.router.parameters import UnitParameters
from sw_runtime.device.simulator.build import HARNESS, build_library

SOURCES = Path(__file__).parents[3]


@dataclass(frozen=True)
class Mutant:
    """An expression of a source file, and a wrong one in its place.

    Parameters
    ----------
    file
        Name of the file, somewhere in ``hw/router``.
    right
        Text that occurs in it once.
    wrong
        What replaces it.
    """

    file: str
    right: str
    wrong: str

    def __str__(self) -> str:
        return f"{self.file}: {self.right} → {self.wrong}"


MUTANTS = (
    Mutant("keep.py", "before[lane] < left", "before[lane] <= left"),
    Mutant("keep.py", "self.keys[lane] > self.threshold", "self.keys[lane] >= self.threshold"),
    Mutant("select_counters.py", "self.digits[lane] >= threshold", "self.digits[lane] > threshold"),
    Mutant("topk.py", "quota - counters.above", "quota"),
    Mutant("topk.py", "candidate & ~forced", "candidate"),
    Mutant("topk.py", "inside & ~chosen", "~chosen"),
    Mutant("topk.py", "kept > forced", "kept < forced"),
    Mutant("row_reader.py", "arriving[operand]", "arriving[0]"),
    Mutant("row_writer.py", "result.stored", "result.bits"),
    Mutant("filter.py", "key == low", "key != low"),
    Mutant("filter.py", "above & below", "above | below"),
    Mutant("range_mask.py", "up_to_end & ~before", "up_to_end"),
    Mutant("lanes.py", "row < limit_row", "row <= limit_row"),
    Mutant("gather.py", "next_row + 1", "next_row + 2"),
    Mutant("load.py", "total[:KEY_BITS] | total[-1].replicate(KEY_BITS)", "total[:KEY_BITS]"),
    Mutant("choice.py", "high.key > low.key", "high.key >= low.key"),
    Mutant("first.py", "choice.o.key > key", "choice.o.key >= key"),
    Mutant("multiplier.py", "step[2] | step[3]", "step[2]"),
    Mutant("prefix.py", "self.multiplier.product[KEY_BITS:] < p", "self.multiplier.product[KEY_BITS:] <= p"),
    Mutant("ratio.py", "scaled_hits >= share", "scaled_hits > share"),
    Mutant("divider.py", "shifted >= self.divisor", "shifted > self.divisor"),
    Mutant("segments.py", "element < left", "element <= left"),
    Mutant("segments.py", "(1 << 11)", "0"),
    Mutant("cache_set.py", "ages[other] < ages[way]", "ages[other] > ages[way]"),
    Mutant("cache_set.py", "age > moved_age", "age < moved_age"),
    Mutant("cache.py", "element > MAXIMUM_ID", "element >= MAXIMUM_ID"),
    Mutant("receiver.py", "taken & self.finish", "taken & ~self.finish"),
    Mutant("command_decoder.py", "descriptor.x > 256", "descriptor.x >= 256"),
)
"""Number 0 of a build is the router without a fault, number k has mutant k - 1."""

_SWITCH = """
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

CHOSEN = Signal(8)


class Switchable(wiring.Component):
    def __init__(self, router):
        self.router = router
        super().__init__({**dict(router.signature.members), "mutant": In(8)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = self.router
        for name in self.router.signature.members:
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(self.router, name))
        m.d.comb += CHOSEN.eq(self.mutant)
        return m
"""

_CONVERT = """
import sys
from hw.router.parameters import UnitParameters
from hw.router.switch import Switchable
from hw.top import Accelerator
from hw.verilog import convert
sys.stdout.write(convert(Switchable(Accelerator(None, eval(sys.argv[1]))), "accelerator"))
"""

_HARNESS = f"""
#include "{HARNESS}"

extern "C" void router_mutate(void *handle, int mutant) {{
    static_cast<Simulation *>(handle)->unit->mutant = mutant;
}}
"""


def build_mutants(parameters: UnitParameters, folder: Path) -> Path:
    """Compile a router that contains every mutant; returns the library.

    Raises
    ------
    ValueError
        If a mutant's file is not the only one of its name, or its text does not occur once in it.
    """
    shutil.copytree(SOURCES / "hw", folder / "hw")
    sources = folder / "hw" / "router"
    (sources / "switch.py").write_text(_SWITCH)
    files = {path.name: path for path in sources.rglob("*.py")}
    for number, mutant in enumerate(MUTANTS, start=1):
        if len(named := list(sources.rglob(mutant.file))) != 1:
            raise ValueError(f"hw/router has {len(named)} files {mutant.file}, not one")
        text = files[mutant.file].read_text()
        if text.count(mutant.right) != 1:
            raise ValueError(f"{mutant.right!r} occurs {text.count(mutant.right)} times in {mutant.file}, not once")
        switched = f"Mux(CHOSEN == {number}, {mutant.wrong}, {mutant.right})"
        files[mutant.file].write_text(text.replace(mutant.right, switched))
    for file in {mutant.file for mutant in MUTANTS}:
        text = files[file].read_text()
        imports = "from amaranth.hdl import Mux\nfrom hw.router.switch import CHOSEN\n"
        files[file].write_text(text.replace("from amaranth.hdl import", imports + "from amaranth.hdl import", 1))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(SOURCES)))}
    command = [sys.executable, "-c", _CONVERT, repr(parameters)]

    def verilog() -> str:
        return subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True, text=True).stdout

    harness = folder / "harness.cpp"
    listed = "".join(f"// {mutant}\n" for mutant in MUTANTS)  # the library is found again by this text
    harness.write_text(listed + _HARNESS)
    return build_library(verilog, None, parameters, harness, "mutants of the router")


def choose(library: Path, router: int, number: int) -> None:
    """Switch a mutant of an open router on."""
    mutate = ctypes.CDLL(str(library)).router_mutate
    mutate.argtypes = [ctypes.c_void_p, ctypes.c_int]
    mutate(router, number)
