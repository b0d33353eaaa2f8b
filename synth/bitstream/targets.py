"""Targets: boards that a bitstream can be made for, one record each."""

from dataclasses import dataclass

from amaranth_boards.ulx3s import ULX3S_25F_Platform, ULX3S_45F_Platform, ULX3S_85F_Platform

from formats.errors import InputError
from synth.boards import BOARDS, Board


@dataclass(frozen=True)
class Target:
    """A board with an ECP5 and an SDRAM chip, whose pins amaranth-boards knows.

    Parameters
    ----------
    board
        The device.
    platform
        Class of amaranth-boards with the pins: ``clk25``, ``sdram``, ``uart``, ``led`` and ``button_fire``.
    memory
        The board's usual memory, as ``hw.board.boards`` calls it.
    loader
        What openFPGALoader calls the board.
    """

    board: Board
    platform: type
    memory: str
    loader: str


TARGETS: dict[str, Target] = {
    name: Target(BOARDS[name], platform, memory="ulx3s-32mb", loader="ulx3s")
    for name, platform in (
        ("ulx3s-25f", ULX3S_25F_Platform),
        ("ulx3s-45f", ULX3S_45F_Platform),
        ("ulx3s-85f", ULX3S_85F_Platform),
    )
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
