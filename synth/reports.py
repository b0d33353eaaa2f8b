"""What the tools say, as numbers."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from formats.errors import InputError


@dataclass(frozen=True)
class Ecp5Area:
    """Cells of an ECP5 after synthesis.

    Parameters
    ----------
    lut4, carry, registers, multipliers, memories
        LUT4, CCU2C (two bits of a carry chain, instead of two LUT4), TRELLIS_FF, MULT18X18D,
        DP16KD (18 Kbit block memories).
    """

    lut4: int
    carry: int
    registers: int
    multipliers: int
    memories: int

    @property
    def luts(self) -> int:
        """Places of a LUT4 that are taken, carry chains included."""
        return self.lut4 + 2 * self.carry


@dataclass(frozen=True)
class Xc7Area:
    """Cells of a 7-series device after synthesis.

    Parameters
    ----------
    luts
        LUT cells of any size, as many as yosys wrote.
    logic_cells
        LUT6 sites once small LUTs share one, by yosys's estimate.
    registers, multipliers, memories
        FDRE and its kin, DSP48E1, 18 Kbit block memories.
    """

    luts: int
    logic_cells: int
    registers: int
    multipliers: int
    memories: int


@dataclass(frozen=True)
class Placement:
    """One run of place and route.

    Parameters
    ----------
    megahertz
        Highest clock of the routed design.
    cells
        TRELLIS_COMB placed, the harness's included.
    critical_path
        Where the slowest path begins and ends.
    """

    megahertz: float
    cells: int
    critical_path: tuple[str, str]


def _counts(statistics: str) -> Mapping[str, int]:
    counts: Mapping[str, int] = json.loads(statistics)["design"]["num_cells_by_type"]
    return counts


def ecp5_area(statistics: str) -> Ecp5Area:
    """Read what ``stat -json`` prints after ``synth_ecp5``."""
    counts = _counts(statistics)
    kinds = ("LUT4", "CCU2C", "TRELLIS_FF", "MULT18X18D", "DP16KD")
    return Ecp5Area(*(counts.get(kind, 0) for kind in kinds))


def xc7_area(statistics: str, text: str) -> Xc7Area:
    """Read what ``stat -json`` and ``stat -tech xilinx`` print after ``synth_xilinx``.

    Raises
    ------
    InputError
        If the text lacks the estimate of logic cells.
    """
    counts = _counts(statistics)
    estimate = re.search(r"Estimated number of LCs:\s+(\d+)", text)
    if not estimate:
        raise InputError("the statistics give no estimated number of LCs; was stat run with -tech xilinx?")
    return Xc7Area(
        luts=sum(count for kind, count in counts.items() if re.fullmatch(r"LUT\d", kind)),
        logic_cells=int(estimate[1]),
        registers=sum(count for kind, count in counts.items() if re.fullmatch(r"FD[RSCP]E", kind)),
        multipliers=counts.get("DSP48E1", 0),
        memories=counts.get("RAMB18E1", 0) + 2 * counts.get("RAMB36E1", 0),
    )


def placement(report: str) -> Placement:
    """Read what ``nextpnr-ecp5 --report`` writes.

    Raises
    ------
    InputError
        If the design has no clock, so that there is nothing to time.
    """
    found = json.loads(report)
    if not found["fmax"]:
        raise InputError("the report times no clock; does the design have registers?")
    clock, speed = min(found["fmax"].items(), key=lambda item: item[1]["achieved"])
    within = [path["path"] for path in found["critical_paths"] if path["from"] == path["to"] == f"posedge {clock}"]
    ends = (within[0][0]["from"]["cell"], within[0][-1]["to"]["cell"]) if within else ("", "")
    return Placement(speed["achieved"], found["utilization"]["TRELLIS_COMB"]["used"], ends)
