"""A unit on a line under Verilator: bytes in, bytes out, a call for many cycles."""

import ctypes
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from amaranth.lib import wiring

from hw.verilog import convert
from sw_runtime.device.simulator.build import HARNESS, TOP, build_library
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
    )


def build_line(unit: Callable[[], wiring.Component], name: str, divisor: int = 0) -> Path:
    """Compile a unit on a line and return its library.

    Parameters
    ----------
    unit
        Makes it. With a divisor it has pins ``rx`` and ``tx``, else streams ``i`` and ``o``.
    name
        Says all that the unit is made from; builds are kept by it.
    divisor
        Cycles of a bit.

    Raises
    ------
    DependencyError
        If a tool is missing or fails, with its last words.
    """
    return build_line_of(lambda: convert(unit(), TOP), name, divisor)


def build_line_of(verilog: Callable[[], str], name: str, divisor: int = 0, more: str = "") -> Path:
    """The same of a Verilog text, with more C++ behind the harness.

    Raises
    ------
    DependencyError
        If a tool is missing or fails, with its last words.
    """
    define = f"#define DIVISOR {divisor}\n" if divisor else ""
    with tempfile.TemporaryDirectory() as folder:
        harness = Path(folder) / "harness.cpp"
        harness.write_text(f'// {name}\n{define}#include "{HARNESS}"\n{LINE_HARNESS.read_text()}{more}')
        return build_library(verilog, (), harness, name)


class LineSimulation:
    """A unit out of reset.

    Parameters
    ----------
    library
        What ``build_line`` returned.
    seed
        Of the pauses.
    """

    def __init__(self, library: Path, seed: int = 1) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.line_open.restype = ctypes.c_void_p
        self.handle: ctypes.c_void_p | None = ctypes.c_void_p(self._library.line_open(ctypes.c_uint64(seed)))
        self.cycles = self.broken_offers = 0

    def exchange(
        self, octets: bytes, quiet_cycles: int, room: int = 1 << 20, send_share: float = 1, receive_share: float = 1
    ) -> bytes:
        """Send bytes; returns those that come until none has come for so many cycles.

        ``cycles`` and ``broken_offers``, the offers that changed before they were taken, add up.

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
        return received[: run.received_count].tobytes()

    def close(self) -> None:
        """Free the unit."""
        self._library.line_close(self.handle)
        self.handle = None
