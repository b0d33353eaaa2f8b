"""Verilog that Verilator runs faster is the same but for what stops a unit."""

import re

from sw_runtime.device.simulator.build import TOP
from sw_runtime.device.simulator.resting_units import (
    UNITS,
    WAITS,
    with_resting_units,
    with_short_sums,
    without_reset,
)

UNIT = """
module \\{top}.{unit} (clk, command__valid, command__payload, \\o__ready$3 , command__ready, o__valid);
  input clk;
  input command__valid;
  input [7:0] command__payload;
  input \\o__ready$3 ;
  output command__ready;
  output o__valid;
endmodule
"""

INSTANCE = """  \\{top}.{unit}  {unit} (
    .clk(clk),
    .command__payload(asked[7:0]),
    .command__ready(free),
    .command__valid(asks),
    .\\o__ready$3 (taken),
    .o__valid(offered)
  );
"""


def verilog(unit: str) -> str:
    """A top level with one unit."""
    top = f"module {TOP}(clk, rst);\n  input clk;\n  input rst;\n  wire rst;\n{INSTANCE}endmodule\n"
    return (UNIT + top).format(top=TOP, unit=unit)


def test_a_unit_that_rests_has_a_clock_that_stops_and_inputs_that_are_looked_at_while_it_runs() -> None:
    for unit in UNITS:
        text = with_resting_units(verilog(unit))
        assert f"    .clk({unit}_clk)" in text
        waits = f" | {unit}.{WAITS[unit]}.o__ready & ~{unit}.{WAITS[unit]}.o__valid" if unit in WAITS else ""
        assert f"wire {unit}_moves = asks | offered | ~(free{waits});" in text
        for value in ("asked[7:0]", "asks", "taken"):
            assert re.search(rf"    {unit}_seen_\d <= {re.escape(value)};", text), value
        assert re.search(rf"  reg \[7:0\] {unit}_seen_\d = 0;", text)
        assert "    .command__ready(free)" in text, "what leaves is joined as it was"


def test_other_units_stay_as_they_are() -> None:
    assert with_resting_units(verilog("engine")) == verilog("engine")


def test_a_reset_is_never_asserted_where_there_is_one() -> None:
    unit = "  unit unit (\n    .rst(rst)\n  );\n"
    text = without_reset(f"module {TOP}(clk, rst);\n  input clk;\n  input rst;\n  wire rst;\n{unit}endmodule\n", TOP)
    assert f"module {TOP}(clk, rst);" in text, "the port stays"
    assert "wire never_rst = 1'h0;" in text
    assert ".rst(never_rst)" in text
    assert without_reset("module top(a);\nendmodule\n", TOP) == "module top(a);\nendmodule\n"


WORD = "  wire [3:0] \\$4 ;\n"
FEW = "  assign { \\$4 [3:2], \\$4 [0] } = 3'h0;\n  assign { \\$4 [1] } = { a[1] };\n"


def test_a_sum_is_of_the_bits_that_are_not_0_where_their_word_is_used_once() -> None:
    once = f"module m(a);\n{WORD}  assign \\$5  = ^ \\$4 ;\n"
    assert with_short_sums(f"{once}{FEW}endmodule\n") == (
        f"module m(a);\n{WORD}  assign \\$5  = ^ {{ a[1] }};\nendmodule\n"
    )


def test_a_word_that_is_used_otherwise_too_or_not_at_all_stays() -> None:
    both = "  assign \\$5  = ^ \\$4 ;\n  assign b = \\$4 ;\n"
    for sums in ("", both, "  assign \\$5  = ^ \\$4 ;\n  assign \\$6  = ^ \\$4 ;\n"):
        text = f"module m(a);\n{WORD}{sums}{FEW}endmodule\n"
        assert with_short_sums(text) == text
