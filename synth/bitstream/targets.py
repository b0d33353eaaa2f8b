"""Targets: boards that a bitstream can be made for, one record each."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from formats.errors import DependencyError, InputError
from synth.boards import BOARDS, Board


@dataclass(frozen=True)
class Target:
    """A board with an ECP5 and an SDRAM chip, whose pins amaranth-boards knows.

    Parameters
    ----------
    board
        The device.
    pins
        Module and class of amaranth-boards: ``clk25``, ``sdram``, ``uart``, ``led`` and ``button_fire``.
    memory
        The board's usual memory, as ``hw.board.boards`` calls it.
    loader
        What openFPGALoader calls the board.
    """

    board: Board
    pins: tuple[str, str]
    memory: str
    loader: str

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


TARGETS: dict[str, Target] = {
    f"ulx3s-{size.lower()}": Target(
        BOARDS[f"ulx3s-{size.lower()}"], ("ulx3s", f"ULX3S_{size}_Platform"), memory="ulx3s-32mb", loader="ulx3s"
    )
    for size in ("25F", "45F", "85F")
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
