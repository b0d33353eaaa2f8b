"""Builds the simulators of boards, each with its memory."""

from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from amaranth.lib import wiring

from formats.errors import DependencyError
from hw.board.board import Board
from hw.board.parameters import BoardParameters
from hw.board.serial_board import SerialBoard
from hw.memory.chips import Sdram
from hw.memory.kinds import MemoryKind, simulated_controller
from hw.verilog import convert
from sw_runtime.device.simulator.build import FAST, HARNESS, TOP, build_library

BOARD_HARNESS = HARNESS.with_name("board_harness.cpp")
SERIAL_BOARD_HARNESS = HARNESS.with_name("serial_board_harness.cpp")

DDR3_PACKAGES = ("litedram", "litex", "migen")
"""What the Verilog of a DDR3 controller follows from, beside our sources."""


def build_board(parameters: BoardParameters, optimisation: str = FAST) -> Path:
    """Compile the simulator of a board with its memory and return its library; half a minute, once.

    Parameters
    ----------
    parameters
        Of the board.
    optimisation
        ``FASTEST`` where it will run for very many cycles.

    Raises
    ------
    InputError
        If the memory cannot run so.
    DependencyError
        If a tool is missing or fails, with its last words.
    """
    formats = "+".join(parameters.engine.formats)
    return build_library(
        lambda: _with_controller(parameters.memory, partial(Board, parameters)),
        (parameters, *_versions(parameters.memory)),
        BOARD_HARNESS,
        f"board with {formats}",
        harness_defines(parameters),
        optimisation=optimisation,
    )


def build_serial_board(parameters: BoardParameters, divisor: int) -> Path:
    """Compile the simulator of a board behind a serial line, so many cycles per bit, and return its library.

    Raises
    ------
    InputError
        If the memory cannot run so, or a bit has fewer than 4 cycles.
    DependencyError
        If a tool is missing or fails, with its last words.
    """
    label = f"board with {'+'.join(parameters.engine.formats)} behind a serial line"
    return build_library(
        lambda: _with_controller(parameters.memory, partial(SerialBoard, parameters, divisor=divisor)),
        (parameters, divisor, *_versions(parameters.memory)),
        SERIAL_BOARD_HARNESS,
        label,
        (f"-DDIVISOR={divisor}", *harness_defines(parameters)),
    )


def harness_defines(parameters: BoardParameters) -> tuple[str, ...]:
    """What a board's harness is told: whether it plays the memory chip on the board's pins, and a card in its slot."""
    chip = ("-DCHIP",) if isinstance(parameters.memory, Sdram) else ()
    return (*chip, *(("-DCARD",) if parameters.card else ()))


def _with_controller(memory: MemoryKind, board: Callable[[wiring.Component], wiring.Component]) -> str:
    controller = simulated_controller(memory)
    return convert(board(controller), TOP) + controller.modules


def _versions(memory: MemoryKind) -> tuple[str, ...]:
    """Of the packages that a memory's controller is made by, where it is not ours alone."""
    if isinstance(memory, Sdram):
        return ()
    try:
        return tuple(map(version, DDR3_PACKAGES))
    except PackageNotFoundError as missing:
        raise DependencyError(f"{missing.name} is missing; pip install 'seedloom[synth]'") from None
