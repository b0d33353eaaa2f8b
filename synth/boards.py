"""Boards: the device that designs are placed in, one record each.

A new board is one record. ``python -m synth --board NAME`` then places designs in its device. Its pins, memory and
link are no part of the record: a design is placed between the registers of the trial harness.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Board:
    """A board with an ECP5.

    Parameters
    ----------
    name
        What the command line calls it.
    part
        The device as its maker writes it: size, speed grade.
    size
        The device's option of nextpnr-ecp5, ``--help`` lists them.
    package
        The package's name for nextpnr-ecp5.
    speed_grade
        6 (slowest), 7 or 8.
    """

    name: str
    part: str
    size: str
    package: str
    speed_grade: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """What nextpnr-ecp5 has to be told of the device."""
        return (f"--{self.size}", "--package", self.package, "--speed", str(self.speed_grade))


REFERENCE = Board("reference", "LFE5U-85F-6", "85k", "CABGA756", 6)
"""The device of docs/hardware.md: the largest of the family without fast links, in its slowest grade."""

BOARDS: dict[str, Board] = {
    board.name: board
    for board in (
        REFERENCE,
        Board("ulx3s-25f", "LFE5U-25F-6", "25k", "CABGA381", 6),
        Board("ulx3s-45f", "LFE5U-45F-6", "45k", "CABGA381", 6),
        Board("ulx3s-85f", "LFE5U-85F-6", "85k", "CABGA381", 6),
        Board("orangecrab-25f", "LFE5U-25F-8", "25k", "CSFBGA285", 8),
        Board("orangecrab-85f", "LFE5U-85F-8", "85k", "CSFBGA285", 8),
        Board("ecpix5-85f", "LFE5UM5G-85F-8", "um5g-85k", "CABGA554", 8),
    )
}
"""Name → board; devices, packages and speed grades second-hand, from the makers' pages."""
