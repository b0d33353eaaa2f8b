"""Faults to seed into the router, all in one build, and the switch that chooses one."""

from pathlib import Path

from hw.router.parameters import UnitParameters
from sw_runtime.device.simulator.build import HARNESS, build_library
from tests.hw.switched_mutants import Mutant, switch, switched_verilog

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

_IMPORTS = """
from hw.router.parameters import UnitParameters
from hw.top import Accelerator
"""


def build_mutants(parameters: UnitParameters, folder: Path) -> Path:
    """Compile a router that contains every mutant; returns the library.

    Raises
    ------
    ValueError
        If a mutant's file is not the only one of its name, or its text does not occur once in it.
    """

    def verilog() -> str:
        return switched_verilog(MUTANTS, "router", _IMPORTS, f"Accelerator(None, {parameters!r})", folder)

    harness = folder / "harness.cpp"
    switched = switch(MUTANTS, "static_cast<Simulation *>(handle)->unit")
    harness.write_text(f'#include "{HARNESS}"\n{switched}')
    return build_library(verilog, (parameters,), harness, "mutants of the router", ("-DROUTER",))
