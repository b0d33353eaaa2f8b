"""A unit on a line under Verilator: bytes in, bytes out, a call for many cycles."""

import ctypes
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hw.link.layouts import LINE_CYCLES
from sw_runtime.device.simulator.build import HARNESS, build_library
from sw_runtime.device.simulator.card import CardSettings
from sw_runtime.device.simulator.library import ALWAYS

LINE_HARNESS = Path(__file__).with_name("line_harness.cpp")


class LineRun(ctypes.Structure):
    """Mirror of the harness's struct of the same name."""

    _fields_ = (
        ("sent", ctypes.c_char_p),
        ("count", ctypes.c_uint64),
        ("send_chance", ctypes.c_uint64),
        ("received", ctypes.c_void_p),
        ("room", ctypes.c_uint64),
        ("receive_chance", ctypes.c_uint64),
        ("quiet_cycles", ctypes.c_uint64),
        ("received_count", ctypes.c_uint64),
        ("cycles", ctypes.c_uint64),
        ("broken_offers", ctypes.c_uint64),
        ("busy", ctypes.c_uint64),
    )


def build_line(verilog: Callable[[], str], parameters: tuple[object, ...], name: str, more: str = "") -> Path:
    """Compile a unit with byte streams ``i`` and ``o`` and return its library.

    Parameters
    ----------
    verilog
        Makes its text.
    parameters
        What the text follows from, beside the sources of the hardware.
    name
        What the progress bar calls it.
    more
        C++ behind the harness.

    Raises
    ------
    DependencyError
        If a tool is missing or fails, with its last words.
    """
    with tempfile.TemporaryDirectory() as folder:
        harness = Path(folder) / "harness.cpp"
        line = f"#define LINE_CYCLES {LINE_CYCLES}\n{LINE_HARNESS.read_text(encoding='utf-8')}"
        harness.write_text(f'#include "{HARNESS}"\n{line}{more}', encoding="utf-8")
        return build_library(verilog, parameters, harness, name)


class LineSimulation:
    """A unit out of reset.

    Parameters
    ----------
    library
        What ``build_line`` or ``build_serial_board`` returned.
    seed
        Of the pauses.
    chip
        What the harness is told of the memory chip on the unit's pins; nothing where it has none.
    """

    def __init__(self, library: Path, seed: int = 1, chip: tuple[ctypes.Structure, ...] = ()) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.line_open.restype = ctypes.c_void_p
        self.handle: ctypes.c_void_p | None = ctypes.c_void_p(self._library.line_open(ctypes.c_uint64(seed), *chip))
        self.cycles = self.broken_offers = 0
        self.busy = False

    def exchange(
        self, octets: bytes, quiet_cycles: int, room: int = 1 << 20, send_share: float = 1, receive_share: float = 1
    ) -> bytes:
        """Send bytes; returns those that come until none has come for so many cycles.

        ``cycles`` and ``broken_offers``, the offers that changed before they were taken, add up; ``busy`` says whether
        a board was doing a request at the end.

        Parameters
        ----------
        octets
            To the unit.
        quiet_cycles
            Cycles without a byte either way that end the run.
        room
            Bytes that end it too.
        send_share, receive_share
            Of the cycles in which a byte may go to the unit, and come from it; not for pins.
        """
        received = np.zeros(room, dtype=np.uint8)
        run = LineRun(
            sent=octets,
            count=len(octets),
            send_chance=round(send_share * ALWAYS),
            received=received.ctypes.data,
            room=room,
            receive_chance=round(receive_share * ALWAYS),
            quiet_cycles=quiet_cycles,
        )
        self._library.line_run(self.handle, ctypes.byref(run))
        self.cycles += run.cycles
        self.broken_offers += run.broken_offers
        self.busy = bool(run.busy)
        return received[: run.received_count].tobytes()

    def insert(self, card: CardSettings) -> None:
        """Put a card into the slot of a board that has one."""
        self._library.line_insert(self.handle, card)

    def close(self) -> None:
        """Free the unit."""
        self._library.line_close(self.handle)
        self.handle = None
