"""A board without the board: the driver over requests to its Verilog, with its memory chip behind it."""

from collections.abc import Sequence
from dataclasses import replace

from formats.board_requests import MAXIMUM_WORDS, WORD_BYTES
from formats.engine import EngineParameters
from hw.board.boards import board_sdram
from hw.board.parameters import BoardParameters
from sw_runtime.device.board.transport import BoardTransport
from sw_runtime.device.driver import Driver
from sw_runtime.device.simulator.board import BoardSimulator
from sw_runtime.device.simulator.build import build_board

ECP5_MULTIPLIER_BITS = 18
"""Widest weight that a multiplier of the boards' devices takes."""


class SimulatedChannel:
    """Requests to a simulator, no link in between.

    Parameters
    ----------
    simulator
        Closed with the channel.
    """

    def __init__(self, simulator: BoardSimulator) -> None:
        self._simulator = simulator

    def exchange(self, requests: Sequence[Sequence[int]], cycles: int) -> list[list[int]]:
        """Send requests and return their responses.

        Raises
        ------
        DeviceError
            If the board does not answer within the cycles.
        """
        return self._simulator.exchange(requests, MAXIMUM_WORDS * len(requests), cycles)

    def close(self) -> None:
        """Free the simulator."""
        self._simulator.close()


def simulated_board(place: str, parameters: EngineParameters) -> Driver:
    """A board whose every cycle is simulated, memory included.

    Parameters
    ----------
    place
        The board's name in ``hw.board.boards.BOARDS``.
    parameters
        Formats, batch and sizes of its engine; port, lanes and multipliers are the board's.

    Raises
    ------
    InputError
        If there is no such board.
    DependencyError
        If the simulator cannot be built.
    """
    board = board_parameters(place, parameters)
    simulator = BoardSimulator(build_board(board), board)
    transport = BoardTransport(SimulatedChannel(simulator), board.engine, board.chip.size_bytes)
    return Driver(f"simulated-board:{place}", transport, board.engine)


def board_parameters(name: str, parameters: EngineParameters) -> BoardParameters:
    """What a board's hardware is built for.

    Raises
    ------
    InputError
        If there is no such board.
    """
    sdram = board_sdram(name)
    engine = replace(parameters, port_bytes=WORD_BYTES, lanes=0, multiplier_bits=ECP5_MULTIPLIER_BITS)
    return BoardParameters(engine, sdram.chip, sdram.clock_mhz, sdram.cas_latency)
