"""``python -m synth.ddr3 MEMORY``: area of a DDR3 controller with its PHY, for an ECP5.

What is synthesised is the sequencer, the burst port and LiteDRAM, down to the pads. It is not placed: without the
board's pins the PHY has no place.
"""

from pathlib import Path
from typing import Annotated

import typer
from amaranth.hdl import IOPort, Signal

from formats.command_line import OneLineErrors
from formats.errors import InputError
from hw.memory.litedram.boards import Ddr3Memory, ddr3_memory
from hw.memory.litedram.controller import Ddr3Controller, board_connections
from hw.memory.litedram.core import Purpose, core
from synth.flow import Flow
from synth.reports import Ecp5Area

app = typer.Typer(rich_markup_mode=None)


def on_pads(ddr3: Ddr3Memory) -> tuple[Ddr3Controller, str]:
    """A controller on pads of its own, and the Verilog of its core.

    The pads have LiteDRAM's names. What asks the chip's clock to stop while the PHY starts, ``sys2x_stop`` and
    ``sys2x_reset``, is for the board's clocks and goes nowhere here.
    """
    made = core(ddr3, Purpose.BOARD)
    widths = {
        "a": ddr3.row_bits,
        "ba": ddr3.BANK_BITS,
        "dm": ddr3.lanes,
        "dq": ddr3.CHIP_BITS,
        "dqs_p": ddr3.lanes,
        **dict.fromkeys(("clk_p", "cke", "odt", "ras_n", "cas_n", "we_n"), 1),
        **(dict.fromkeys(("cs_n", "reset_n"), 1) if ddr3.select_and_reset else {}),
    }
    pads = {name: IOPort(width, name=f"ddram_{name}") for name, width in widths.items()}
    controller = Ddr3Controller(ddr3, made, board_connections(pads, Signal(), Signal()))
    return controller, controller.modules


def area(flow: Flow, ddr3: Ddr3Memory) -> Ecp5Area:
    """Synthesise a memory's controller.

    Raises
    ------
    DependencyError
        If LiteDRAM or yosys is missing, or fails.
    """
    component, verilog = on_pads(ddr3)
    return flow.ecp5(component, verilog)


@app.command(cls=OneLineErrors)
def main(
    memory: Annotated[str, typer.Argument(help="a name of hw/memory/litedram/boards.py")] = "orangecrab",
    cache: Annotated[Path, typer.Option(help="results kept from earlier runs")] = Path("build/synth"),
) -> None:
    """Synthesise the controller of a DDR3 memory and print its cells."""
    try:
        found = area(Flow(cache), ddr3_memory(memory))
    except InputError as error:
        raise typer.BadParameter(str(error)) from error
    cells = {"LUT4": found.lut4, "CCU2C": found.carry, "TRELLIS_FF": found.registers, "DP16KD": found.memories}
    print(f"{memory}: " + ", ".join(f"{count:,} {kind}" for kind, count in cells.items()))


if __name__ == "__main__":
    app()
