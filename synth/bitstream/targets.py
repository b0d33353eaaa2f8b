"""Targets: boards that a bitstream can be made for, one record each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Protocol

from formats.errors import DependencyError, InputError
from hw.board.parameters import BoardParameters
from synth.bitstream.ddr3_pins import ECPIX5_R02, ORANGECRAB_R02
from synth.bitstream.ddr3_top import Ddr3Top
from synth.bitstream.top import Ulx3s
from synth.boards import BOARDS, Board


class Top(Protocol):
    """A top level; ``modules`` is Verilog of modules that it has instances of."""

    modules: str


@dataclass(frozen=True)
class Target:
    """A board with an ECP5 whose pins amaranth-boards knows.

    Parameters
    ----------
    board
        The device.
    pins
        Module and class of amaranth-boards.
    memories
        That the board may have, as ``hw.board.boards`` calls them; the usual one first.
    loader
        What openFPGALoader calls the board.
    top
        Parameters of the board and baud rate → its top level.
    slot
        The top level knows the pins of a card slot.
    """

    board: Board
    pins: tuple[str, str]
    memories: tuple[str, ...]
    loader: str
    top: Callable[[BoardParameters, int], Top]
    slot: bool = False

    def platform(self) -> Any:
        """A fresh platform of Amaranth, whose pins are given out once.

        Raises
        ------
        DependencyError
            If amaranth-boards is missing.
        """
        module, name = self.pins
        try:
            return getattr(import_module(f"amaranth_boards.{module}"), name)()
        except ImportError:
            raise DependencyError("amaranth-boards is missing; pip install 'seedloom[synth]'") from None


SDRAM_MEMORIES = ("ulx3s-32mb", "ulx3s-64mb")

TARGETS: dict[str, Target] = {
    **{
        f"ulx3s-{size.lower()}": Target(
            BOARDS[f"ulx3s-{size.lower()}"],
            ("ulx3s", f"ULX3S_{size}_Platform"),
            memories=SDRAM_MEMORIES,
            loader="ulx3s",
            top=Ulx3s,
            slot=True,
        )
        for size in ("25F", "45F", "85F")
    },
    "orangecrab-85f": Target(
        BOARDS["orangecrab-85f"],
        ("orangecrab_r0_2", "OrangeCrabR0_2_85FPlatform"),
        memories=("orangecrab",),
        loader="orangeCrab",
        top=partial(Ddr3Top, board=ORANGECRAB_R02),
    ),
    "ecpix5-85f": Target(
        BOARDS["ecpix5-85f"],
        ("ecpix5", "ECPIX585Platform"),
        memories=("ecpix5",),
        loader="ecpix5",
        top=partial(Ddr3Top, board=ECPIX5_R02),
    ),
}
"""Name → target."""


def target(name: str) -> Target:
    """The target of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in TARGETS:
        raise InputError(f"no bitstream is made for board {name!r}; choose from {', '.join(TARGETS)}")
    return TARGETS[name]
