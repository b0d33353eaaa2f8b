"""Boards that one can buy, by their memory; what runs on them follows from that."""

from dataclasses import dataclass, replace

from formats.board_requests import WORD_BYTES
from formats.errors import InputError
from hw.memory.chips import AS4C32M16SB_7, W9825G6KH_6, Sdram
from hw.memory.kinds import MemoryKind
from hw.memory.litedram.boards import ECPIX5, ORANGECRAB


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
        What the chip moves, which may be more than a beat per cycle.
    port_bytes
        Of an engine that takes what the memory gives.
    share
        Of the peak, while a matrix of 4 bits per weight is multiplied: weights, activations, results over the cycles
        (simulated).
    memory
        How it is driven.
    """

    name: str
    size_bytes: int
    peak_bytes_per_second: float
    port_bytes: int
    share: float
    memory: MemoryKind


def _board(name: str, memory: MemoryKind, share: float) -> BoardMemory:
    return BoardMemory(name, memory.size_bytes, memory.peak_bytes_per_second, WORD_BYTES, share, memory)


BOARDS: dict[str, BoardMemory] = {
    board.name: board
    for board in (
        _board("ulx3s-32mb", Sdram(W9825G6KH_6, clock_mhz=100, cas_latency=2), share=0.976),
        _board("ulx3s-64mb", Sdram(AS4C32M16SB_7, clock_mhz=100, cas_latency=2), share=0.976),
        _board("orangecrab", replace(ORANGECRAB, data_bits=8 * WORD_BYTES), share=0.497),
        _board("ecpix5", replace(ECPIX5, data_bits=8 * WORD_BYTES), share=0.497),
    )
}
"""Name → board. DDR3 memories have beats as wide as a word: half of their peak."""


def find_board(name: str) -> BoardMemory:
    """A board by its name.

    Raises
    ------
    InputError
        With the names there are.
    """
    if name not in BOARDS:
        raise InputError(f"no board {name!r}; choose from {', '.join(BOARDS)}")
    return BOARDS[name]
