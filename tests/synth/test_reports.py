"""Numbers read from what the tools print."""

import json
from itertools import pairwise

import pytest

from synth.reports import Ecp5Area, Placement, Xc7Area, ecp5_area, placement, xc7_area


def statistics(**counts: int) -> str:
    return json.dumps({"modules": {}, "design": {"num_cells": 9, "num_cells_by_type": counts}})


def report(clocks: dict[str, float]) -> str:
    """What nextpnr writes, cut down."""

    def path(clock: str, ends: list[str]) -> dict[str, object]:
        hops = [{"delay": 1.0, "from": {"cell": a}, "to": {"cell": b}} for a, b in pairwise(ends)]
        return {"from": f"posedge {clock}", "to": f"posedge {clock}", "path": hops}

    outside = {"from": "<async>", "to": "posedge clk", "path": [{"from": {"cell": "pin"}, "to": {"cell": "register"}}]}
    return json.dumps(
        {
            "fmax": {clock: {"achieved": achieved, "constraint": 140.0} for clock, achieved in clocks.items()},
            "utilization": {"TRELLIS_COMB": {"available": 83640, "used": 1232}, "DCCA": {"available": 56, "used": 1}},
            "critical_paths": [outside, *(path(clock, ["weight", "multiplier", "product"]) for clock in clocks)],
        }
    )


def test_ecp5_cells_are_counted_by_kind_and_absent_kinds_are_0() -> None:
    text = statistics(LUT4=591, CCU2C=219, TRELLIS_FF=643, MULT18X18D=8, PFUMX=5)
    assert ecp5_area(text) == Ecp5Area(lut4=591, carry=219, registers=643, multipliers=8, memories=0)


def test_7_series_cells_of_a_kind_are_added_up() -> None:
    counts = statistics(LUT2=10, LUT6=3, FDRE=5, FDSE=2, DSP48E1=8, RAMB18E1=1, RAMB36E1=4, CARRY4=7)
    area = xc7_area(counts, "       37   LUT6\n\n   Estimated number of LCs:        827\n")
    assert area == Xc7Area(luts=13, logic_cells=827, registers=7, multipliers=8, memories=9)


def test_statistics_without_logic_cells_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no estimated number of LCs; was stat run with -tech xilinx\?"):
        xc7_area(statistics(LUT2=1), "37 LUT6")


def test_a_placement_has_clock_cells_and_the_ends_of_its_slowest_path() -> None:
    assert placement(report({"clk": 139.76})) == Placement(139.76, 1232, ("weight", "product"))


def test_the_slowest_clock_counts() -> None:
    assert placement(report({"clk": 139.76, "slow": 25.0})).megahertz == 25.0


def test_a_design_without_a_clock_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the report times no clock; does the design have registers\?"):
        placement(report({}))
