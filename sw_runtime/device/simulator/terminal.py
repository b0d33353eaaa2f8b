"""A simulated board behind a pseudo-terminal: programs talk to it as to a serial port."""

import contextlib
import os
import select
import threading
import tty
from pathlib import Path

from hw.link.link import LinkParameters
from hw.link.memory_core import MemoryCore
from hw.link.serial import SerialBoard
from sw_runtime.device.simulator.line import LineSimulation, build_line

DIVISOR = 4
"""Cycles of a bit: the fewest that a UART takes, so that simulated bytes are quick."""

TURN_CYCLES = 4_000
"""Simulated behind the last byte, before a look at the terminal."""

IDLE_TURNS = 25
"""After which time stands still until a byte comes; no request takes a core so long."""


MEMORY_WORDS = 1 << 14
PARAMETERS = LinkParameters(build=0x5EED)


def memory_board() -> Path:
    """Compile a board that is 64 KB of memory behind a serial link; returns its library.

    Raises
    ------
    DependencyError
        If a tool is missing or fails, with its last words.
    """
    name = f"{MEMORY_WORDS} words behind a serial link, {PARAMETERS}"
    return build_line(lambda: SerialBoard(MemoryCore(MEMORY_WORDS), PARAMETERS, DIVISOR), name, DIVISOR)


class TerminalBoard:
    """A simulated board; a thread carries its bytes.

    Parameters
    ----------
    library
        What ``memory_board`` returned.
    """

    def __init__(self, library: Path) -> None:
        self._simulation = LineSimulation(library)
        self._thread: threading.Thread | None = None
        self._ends: tuple[int, int] | None = None
        self._path = ""
        self.plug()

    @property
    def path(self) -> str:
        """Of the terminal; another one after each ``plug``."""
        return self._path

    def plug(self) -> None:
        """Connect the board."""
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
        with contextlib.suppress(OSError):
            idle_turns = IDLE_TURNS
            while True:
                ready, _, _ = select.select([ours, end], [], [], 0 if idle_turns < IDLE_TURNS else None)
                if end in ready:
                    break
                octets = os.read(ours, 1 << 12) if ready else b""
                answer = self._simulation.exchange(octets, TURN_CYCLES)
                if answer:
                    os.write(ours, answer)
                idle_turns = 0 if octets or answer else idle_turns + 1
        for descriptor in (ours, theirs, end):
            os.close(descriptor)
