"""The board of all tests, so that one simulator is compiled, and what its memory holds at power-up."""

import numpy as np
from numpy.typing import NDArray

from formats.board_requests import WORD_BYTES
from formats.engine import EngineParameters
from sw_runtime.device.simulated_board import board_parameters
from sw_runtime.device.simulator.board import BoardSimulator
from sw_runtime.device.simulator.build_boards import build_board

NAME = "ulx3s-64mb"

ENGINE = EngineParameters(("paper-4bit", "scaled-2bit", "scaled-3bit", "scaled-4bit"))
"""Formats of a tiny model; the size that ``seedloom generate`` asks for."""

BOARD = board_parameters(NAME, ENGINE)


def simulator(share: float = 1) -> BoardSimulator:
    """A board at power-up; streams of requests and responses take part in a share of the cycles."""
    return BoardSimulator(build_board(BOARD), BOARD, share)


def at_power_up(addresses: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Words that nobody has written; addresses count words."""
    beats = addresses.astype(np.uint64)[:, None] * np.uint64(2) + np.arange(WORD_BYTES // 2, dtype=np.uint64)
    octets = (beats * np.uint64(0x9E3779B1) >> np.uint64(16)).astype("<u2")
    return octets.view("<u4")[:, 0]
