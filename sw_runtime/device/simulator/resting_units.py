"""Verilog that does the same and that Verilator runs faster. Only simulators get it: hardware is as it was written.

While an engine reads weights, the other units of a decoder wait most of the time. Verilator computes what follows from
a clock only when that clock ticks, and what follows from an input whenever that may have changed. So a unit that waits
gets a clock that stops, and inputs that are looked at only while it runs.
"""

import re

UNITS = ("attention", "row_scale", "vector")
"""Instances that talk through streams only, whose inputs in a cycle do not depend on their own outputs in that cycle.

A unit without commands rests when no item is at its ports. One with commands also works by itself. It rests when no
item is at its ports and it is ready for a command, or waits in the middle of one.
"""

WAITS = {"vector": "passes.words"}
"""Buffers inside a unit with commands: while one is asked for an item and has none, the unit only waits for it."""

REST_CYCLES = 12
"""Cycles in which a unit runs on behind its last item; no pipeline of a unit is longer."""

_INSTANCE = re.compile(r"^  \\(?P<module>\S+)  (?P<name>\w+) \(\n(?P<ports>(?:    \..*\n)+)  \);\n", re.MULTILINE)
_PORT = re.compile(r"^    \.(?P<port>\\\S+ |\w+)\((?P<value>.*)\),?$", re.MULTILINE)
_FEW_BITS = re.compile(
    r"^  assign \{ (?P<word>\\\$\d+ )\[[^={]*\} = \d+'h0+;\n  assign \{ (?P=word)\[[^={]*\} = (?P<bits>\{.*\});\n",
    re.MULTILINE,
)
_INPUT = re.compile(r"^  input (?P<range>\[\d+:0\] )?(?P<port>\\\S+ |\w+);$", re.MULTILINE)


def without_reset(verilog: str, top: str) -> str:
    """The top level's reset never asserted: every register has at the start what the reset would give it.

    What any register takes next depends on the reset, so it costs in every cycle. A whole decoder is 1.15 times as fast
    without.

    Parameters
    ----------
    verilog
        Of ``hw.verilog.convert``.
    top
        Name of the top level.
    """
    before, head, rest = verilog.partition(f"module {top}(")
    body, end, after = rest.partition("endmodule")
    ports, declared, logic = body.partition("  input rst;\n  wire rst;\n")
    if not declared:
        return verilog  # no registers, no reset
    never = "  input rst;\n  wire never_rst = 1'h0;\n"
    return "".join([before, head, ports, never, re.sub(r"(?<!\.)\brst\b", "never_rst", logic), end, after])


def with_short_sums(verilog: str) -> str:
    """Sums modulo 2 of a word's few bits, without the bits that are 0.

    yosys names such a word and gives it its bits in two assignments. Verilator then computes it in every cycle, needed
    or not. A sum of the bits alone is computed where it is used: of a CRC, in cycles with data.

    Parameters
    ----------
    verilog
        Of ``hw.verilog.convert``.
    """
    return "endmodule".join(map(_short_sums, verilog.split("endmodule")))


def _short_sums(module: str) -> str:
    """The same in one module, for words that are used once."""
    bits = {found["word"]: found["bits"] for found in _FEW_BITS.finditer(module)}
    rest = _FEW_BITS.sub("", module)
    # its declaration and its sum
    short = {word: few for word, few in bits.items() if f"^ {word};" in rest and rest.count(word) == 2}
    module = _FEW_BITS.sub(lambda found: "" if found["word"] in short else found[0], module)
    for word, few in short.items():
        module = module.replace(f"^ {word};", f"^ {few};")
    return module


def with_resting_units(verilog: str) -> str:
    """Clocks that stop for ``UNITS``; every other unit does in every cycle what it did.

    Parameters
    ----------
    verilog
        Of ``hw.verilog.convert``.
    """
    inputs = {
        text.partition(" (")[0].strip(" \\"): {found["port"]: found["range"] or "" for found in _INPUT.finditer(text)}
        for text in verilog.split("\nmodule ")
    }

    def resting(found: re.Match[str]) -> str:
        if found["name"] not in UNITS:
            return found[0]
        return _resting(found["module"], found["name"], found["ports"], inputs[found["module"]])

    return _INSTANCE.sub(resting, verilog)


def _resting(module: str, name: str, connections: str, inputs: dict[str, str]) -> str:
    """An instance, with what stops it beside it."""
    ports = {found["port"]: found["value"] for found in _PORT.finditer(connections)}
    comes = [value for port, value in ports.items() if _named(port, "__valid") and port in inputs]
    leaves = [value for port, value in ports.items() if _named(port, "__valid") and port not in inputs]
    waits = [value for port, value in ports.items() if _named(port, "command__ready")]
    if waits:
        stands = waits[0]
        if name in WAITS:
            buffer = f"{name}.{WAITS[name]}"
            stands += f" | {buffer}.o__ready & ~{buffer}.o__valid"
        moves = f"{' | '.join([*comes, *leaves])} | ~({stands})"
    else:
        moves = f"{' | '.join(leaves)} | {' & '.join(comes)}"
    seen = {port: f"{name}_seen_{place}" for place, port in enumerate(inputs) if port != "clk"}
    declared = "".join(f"  reg {inputs[port]}{signal} = 0;\n" for port, signal in seen.items())
    looks = "".join(f"    {signal} <= {ports[port]};\n" for port, signal in seen.items())
    joined = {**ports, **seen, "clk": f"{name}_clk"}
    bits = REST_CYCLES.bit_length()
    return (
        f"{declared}"
        f"  reg [{bits - 1}:0] {name}_rest = 0;\n"
        f"  reg {name}_ran = 1;\n"
        f"  wire {name}_moves = {moves};\n"
        f"  wire {name}_runs = {name}_moves | ({name}_rest != {REST_CYCLES});\n"
        f"  wire {name}_looks = ~clk & {name}_runs;\n"
        f"  wire {name}_clk = clk & {name}_ran;\n"
        f"  always @(posedge clk) {name}_rest <= {name}_moves ? 0 : {name}_rest + ({name}_rest != {REST_CYCLES});\n"
        f"  always @(negedge clk) {name}_ran <= {name}_runs;\n"
        f"  always @(posedge {name}_looks) begin\n{looks}  end\n"
        f"  \\{module}  {name} (\n" + ",\n".join(f"    .{port}({value})" for port, value in joined.items()) + "\n  );\n"
    )


def _named(port: str, end: str) -> bool:
    """Whether a port has this name, but for what makes names unique."""
    return re.sub(r"\$\d+ $", "", port).endswith(end)
