"""A simulated board behind a pseudo-terminal: programs talk to it as to a serial port."""

import contextlib
import os
import select
import threading
import tty

from hw.board.parameters import BoardParameters
from hw.storage.loader import SAFE_MHZ
from sw_runtime.device.simulator.board import chip_of
from sw_runtime.device.simulator.build_boards import build_serial_board
from sw_runtime.device.simulator.card import card_settings
from sw_runtime.device.simulator.line import LineSimulation

DIVISOR = 4
"""Cycles of a bit: the fewest that a UART takes, so that simulated bytes are quick."""

TURN_CYCLES = 500
"""Simulated behind the last byte, before a look at the terminal."""

IDLE_TURNS = 200
"""After which time stands still until a byte comes; enough for the chip's start."""


class TerminalBoard:
    """A simulated board; a thread carries its bytes.

    Parameters
    ----------
    parameters
        Of the board.
    card
        First blocks of the card in its slot; None leaves the slot empty. Only for a board that has one.

    Raises
    ------
    InputError
        If the card has no whole blocks.
    DependencyError
        If a tool is missing or fails, with its last words.
    """

    def __init__(self, parameters: BoardParameters, card: bytes | None = None) -> None:
        inserted = None if card is None else card_settings(card, parameters.memory.clock_mhz, SAFE_MHZ)
        self._simulation = LineSimulation(build_serial_board(parameters, DIVISOR), chip=chip_of(parameters.memory))
        if inserted:
            self._simulation.insert(inserted)
        self._thread: threading.Thread | None = None
        self._ends: tuple[int, int] | None = None
        self._path = ""
        self.plug()

    @property
    def path(self) -> str:
        """Of the terminal; another one after each ``plug``."""
        return self._path

    def plug(self) -> None:
        """Connect the board; a cable that is still there is taken away first, since two would drive one simulation."""
        self.unplug()
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        self._path, self._ends = os.ttyname(theirs), os.pipe()
        self._thread = threading.Thread(target=self._carry, args=(ours, theirs, self._ends[0]), daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Take the cable away; the board keeps its power."""
        if self._thread and self._ends:
            os.write(self._ends[1], b"x")
            self._thread.join()
            os.close(self._ends[1])
            self._thread = None

    def close(self) -> None:
        """Unplug and free the board."""
        self.unplug()
        self._simulation.close()

    def _carry(self, ours: int, theirs: int, end: int) -> None:
        """Simulate while bytes come, until the end."""
        os.set_blocking(ours, False)
        idle_turns, unread = IDLE_TURNS, b""
        with contextlib.suppress(OSError):
            while True:
                waits = None if unread or idle_turns >= IDLE_TURNS else 0
                ready, writable, _ = select.select([ours, end], [ours] if unread else [], [], waits)
                if end in ready:
                    break
                if writable:
                    unread = unread[os.write(ours, unread) :]
                if unread:  # a host that reads nothing holds the board up
                    continue
                octets = os.read(ours, 1 << 12) if ours in ready else b""
                unread = self._simulation.exchange(octets, TURN_CYCLES)
                idle_turns = 0 if octets or unread or self._simulation.busy else idle_turns + 1
        for descriptor in (ours, theirs, end):
            os.close(descriptor)
