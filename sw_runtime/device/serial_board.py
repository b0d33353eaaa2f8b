"""A board on a serial port, or the same board simulated behind a pseudo-terminal."""

import logging
from dataclasses import replace
from functools import cache

from formats.engine import RESULT_BITS, EngineParameters
from formats.errors import InputError
from formats.router.descriptor import RouterParameters
from hw.decoder.parameters import DecoderParameters
from sw_runtime.device.board.card import check_slot
from sw_runtime.device.board.identity import check_engine, identify
from sw_runtime.device.board.transport import BoardTransport, check_router
from sw_runtime.device.driver import Driver
from sw_runtime.device.link.channel import LinkChannel
from sw_runtime.device.link.lines import SerialPort
from sw_runtime.device.link.session import SILENCE_SECONDS
from sw_runtime.device.rounding import check_result_bits
from sw_runtime.device.simulated_board import board_parameters
from sw_runtime.device.simulator.terminal import TerminalBoard

logger = logging.getLogger("seedloom")

BAUD = 3_000_000
"""Of a port whose name says none."""

TERMINAL = "pty"
TERMINAL_BOARD = "ulx3s-64mb"
TERMINAL_ENGINE = EngineParameters(("scaled-4bit",))
"""What is simulated where nobody says what."""

TERMINAL_BAUD = 230_400
"""About as quick as bytes are simulated."""

TERMINAL_SILENCE_SECONDS = 60.0
"""A simulated board on a busy machine takes its time."""


class TerminalChannel(LinkChannel):
    """To a simulated board behind a pseudo-terminal, which goes with the channel.

    Parameters
    ----------
    board
        Closed with the channel.
    """

    def __init__(self, board: TerminalBoard) -> None:
        self._board = board
        try:
            super().__init__(lambda: SerialPort(board.path, TERMINAL_BAUD), TERMINAL_SILENCE_SECONDS, real_time=False)
        except BaseException:
            board.close()
            raise

    def close(self) -> None:
        """Give the terminal back, and free the board."""
        super().close()
        self._board.close()


def serial_channel(
    place: str,
    parameters: EngineParameters | None = None,
    decoder: DecoderParameters | None = None,
    card: bytes | None = None,
) -> LinkChannel:
    """A channel to a board on a serial port.

    Parameters
    ----------
    place
        ``PATH`` or ``PATH@BAUD`` of a port; ``pty`` or ``pty:BOARD`` for a simulated board, by its name in
        ``hw.board.boards.BOARDS``.
    parameters
        Formats, batch and sizes of a simulated board's engine.
    decoder
        Sizes of a simulated board's whole decoder; None for a board that multiplies.
    card
        First blocks of the card in a simulated board's slot; None for a board without one.

    Raises
    ------
    InputError
        If the rate is none, there is no such board, the card has no whole blocks, or it is for a port, or for a board
        without a slot.
    DependencyError
        If pyserial is not installed, or the simulator cannot be built.
    DeviceError
        If there is no such port or nothing answers there.
    """
    name, _, board = place.partition(":")
    if name == TERMINAL:
        if card is not None:
            check_slot(board or TERMINAL_BOARD)
        built = board_parameters(board or TERMINAL_BOARD, parameters or TERMINAL_ENGINE, decoder)
        return TerminalChannel(TerminalBoard(replace(built, card=card is not None), card))
    if card is not None:
        raise InputError(f"the card of a board on a port is in its slot; a file can only be one of serial:{TERMINAL}")
    path, _, rate = place.partition("@")
    if rate and not (rate.isdecimal() and int(rate)):
        raise InputError(f"what follows @ in {place!r} must be bits per second, such as {BAUD}")
    channel = LinkChannel(lambda: SerialPort(path, int(rate or BAUD)), SILENCE_SECONDS)
    if isinstance(channel.line, SerialPort) and channel.line.advice:
        _say_once(channel.line.advice)
    return channel


def serial_board(
    place: str,
    parameters: EngineParameters | None = None,
    router: RouterParameters | None = None,
    result_bits: int = RESULT_BITS,
) -> Driver:
    """A board over a serial line.

    Parameters
    ----------
    place
        As of ``serial_channel``.
    parameters
        What its engine must do: formats and batch. A simulated board has just this engine.
    router
        No board has one yet.
    result_bits
        Of a result as it goes over the line: 64, exact, or 24, rounded.

    Raises
    ------
    InputError, DependencyError
        As ``serial_channel``; if there are no such results.
    DeviceError
        As ``serial_channel``; if a router is asked for, the board's engine does not do what it must, or it is of
        another release.
    """
    check_router(router)
    check_result_bits(result_bits)
    channel = serial_channel(place, parameters)
    try:
        board = identify(channel)
        if parameters:
            check_engine(board.engine, parameters)
    except BaseException:
        channel.close()
        raise
    transport = BoardTransport(channel, board.engine, board.memory_bytes)
    return Driver(f"serial:{place}", transport, board.engine, result_bits=result_bits)


@cache
def _say_once(advice: str) -> None:
    logger.warning(advice)
