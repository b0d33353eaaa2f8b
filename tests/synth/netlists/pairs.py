"""Pairs: a component's Verilog and the cells it becomes, fed the same random inputs and compared in every cycle."""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw.verilog import convert
from sw_runtime.cache import cache_folder
from sw_runtime.device.simulator.build import SLOW, TOP, build_library
from synth.flow import Flow
from tests.synth.netlists.cells import models

HARNESS = Path(__file__).with_name("harness.cpp")

RESET_DRAWS, SELDOM_DRAWS = 8, 4
"""Random bits that must all be 1: a reset comes in one of 256 cycles, what is seldom in one of 16."""


@dataclass(frozen=True)
class Pair:
    """A component and, for a pair that must differ, another one that becomes the cells.

    Parameters
    ----------
    name
        What the test calls it.
    build
        Makes the component.
    seldom
        Inputs of which a bit is 1 in one of 16 cycles; the others in one of two.
    wrong
        Makes what is synthesised in its place.
    """

    name: str
    build: Callable[[], wiring.Component]
    seldom: Sequence[str] = ()
    wrong: Callable[[], wiring.Component] | None = None


def ports(component: wiring.Component) -> tuple[dict[str, int], dict[str, int]]:
    """Name → bits of the inputs and of the outputs, as the Verilog has them: none for what is 0 bits wide."""
    inputs: dict[str, int] = {}
    outputs: dict[str, int] = {}
    for path, member, value in component.signature.flatten(component):
        if len(Value.cast(value)) == 0:
            continue
        (inputs if member.flow is In else outputs)["__".join(map(str, path))] = len(Value.cast(value))
    return inputs, outputs


def both(pair: Pair, index: int) -> str:
    """Verilog of a pair's two modules, and of what feeds and compares them."""
    gold, gate = f"gold_{index}", f"gate_{index}"
    cells = Flow(cache_folder("netlists")).verilog((pair.wrong or pair.build)(), gate)
    component = pair.build()
    inputs, outputs = ports(component)
    inputs = {"rst": 1, **inputs}
    lines = [
        convert(component, gold),
        cells,
        f"module pair_{index} (input clk, output reg [31:0] differing, changing);",
    ]
    for name, bits in inputs.items():
        words = "{" + ", ".join(["$urandom"] * (-(-bits // 32))) + "}"
        draws = RESET_DRAWS if name == "rst" else SELDOM_DRAWS if name in pair.seldom else 1
        drawn = " & ".join([words] * draws)
        lines.append(f"    reg [{bits - 1}:0] \\{name} = 0; always @(posedge clk) \\{name} <= {drawn};")
    for side in ("gold", "gate"):
        lines += [f"    wire [{bits - 1}:0] \\{side}.{name} ;" for name, bits in outputs.items()]
        connected = [".clk(clk)", *(f".\\{name} (\\{name} )" for name in inputs)]
        connected += [f".\\{name} (\\{side}.{name} )" for name in outputs]
        lines.append(f"    {gold if side == 'gold' else gate} {side} ({', '.join(connected)});")
    golds, gates = ("{" + ", ".join(f"\\{side}.{name} " for name in outputs) + "}" for side in ("gold", "gate"))
    lines += [
        f"    reg [{sum(outputs.values()) - 1}:0] earlier;",
        "    initial differing = 0; initial changing = 0;",
        "    always @(posedge clk) begin",
        f"        earlier <= {golds};",
        f"        if ({golds} != {gates}) differing <= differing + 1;",
        f"        if ({golds} != earlier) changing <= changing + 1;",
        "    end",
        "endmodule",
    ]
    return "\n".join(lines)


def design(pairs: Sequence[Pair]) -> str:
    """Verilog of all pairs, the cells' models included."""
    width = 32 * len(pairs)
    lines = [models(), *(both(pair, index) for index, pair in enumerate(pairs))]
    lines.append(f"module {TOP} (input clk, output [{width - 1}:0] differing, output [{width - 1}:0] changing);")
    for index in range(len(pairs)):
        place = f"[{32 * index} +: 32]"
        lines.append(f"    pair_{index} pair_{index} (clk, differing{place}, changing{place});")
    return "\n".join([*lines, "endmodule", ""])


class Pairs:
    """Pairs in one simulator.

    Parameters
    ----------
    pairs
        More than two, so that their counts are an array in C.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = pairs
        text = design(pairs)
        library = build_library(lambda: text, (text,), HARNESS, "netlists", optimisation=SLOW)
        self._library = ctypes.CDLL(str(library))

    def run(self, seed: int, cycles: int) -> dict[str, tuple[int, int]]:
        """Cycles in which the two of each pair differ, and in which their outputs change."""
        count = len(self._pairs)
        differing, changing = (ctypes.c_uint32 * count)(), (ctypes.c_uint32 * count)()
        self._library.pairs_run(seed, ctypes.c_uint64(cycles), count, differing, changing)
        return {pair.name: counts for pair, *counts in zip(self._pairs, differing, changing, strict=True)}
