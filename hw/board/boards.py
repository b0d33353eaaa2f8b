"""Boards that one can buy, by their memory; what runs on them follows from that."""

from dataclasses import dataclass

from formats.board_requests import WORD_BYTES
from formats.errors import InputError
from hw.memory.chips import AS4C32M16SB_7, W9825G6KH_6, SdramChip


@dataclass(frozen=True)
class Sdram:
    """A chip that our controller drives, and how.

    Parameters
    ----------
    chip, clock_mhz, cas_latency
        As ``SdramController`` takes them.
    """

    chip: SdramChip
    clock_mhz: float
    cas_latency: int


@dataclass(frozen=True)
class BoardMemory:
    """A board's memory.

    Parameters
    ----------
    name
        What commands call the board.
    size_bytes
        Of the memory.
    peak_bytes_per_second
        A beat of the chip a cycle, at both edges for DDR.
    port_bytes
        Of an engine that takes what the memory gives.
    share
        Of the peak, while a matrix is multiplied: weights, activations and results over the cycles.
    share_is
        How the share was found: ``"simulated"`` or ``"assumed"``.
    sdram
        What simulates it; None where we have no controller.
    """

    name: str
    size_bytes: int
    peak_bytes_per_second: float
    port_bytes: int
    share: float
    share_is: str
    sdram: Sdram | None = None


def _single_data_rate(name: str, sdram: Sdram, share: float) -> BoardMemory:
    chip = sdram.chip
    peak = chip.data_bits / 8 * sdram.clock_mhz * 1e6
    return BoardMemory(name, chip.size_bytes, peak, WORD_BYTES, share, "simulated", sdram)


BOARDS: dict[str, BoardMemory] = {
    board.name: board
    for board in (
        _single_data_rate("ulx3s-32mb", Sdram(W9825G6KH_6, clock_mhz=100, cas_latency=2), share=0.976),
        _single_data_rate("ulx3s-64mb", Sdram(AS4C32M16SB_7, clock_mhz=100, cas_latency=2), share=0.976),
        BoardMemory("orangecrab", 128 << 20, 384e6, port_bytes=8, share=0.90, share_is="assumed"),
        BoardMemory("ecpix5", 512 << 20, 600e6, port_bytes=8, share=0.90, share_is="assumed"),
    )
}
"""Name → board. Sizes and rates of the DDR3 boards second-hand, from the makers' pages."""


def board_sdram(name: str) -> Sdram:
    """The SDRAM chip of a board that has one, and so can be simulated.

    Raises
    ------
    InputError
        If there is no such board, or its memory is of another kind.
    """
    known = [board.name for board in BOARDS.values() if board.sdram]
    board = BOARDS.get(name)
    if board is None or board.sdram is None:
        raise InputError(f"no board {name!r} with an SDRAM chip; choose from {', '.join(known)}")
    return board.sdram
