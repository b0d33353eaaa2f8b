"""The subject under simulation, as Python sees it: its start, then one call a traffic."""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw.memory.litedram.boards import Ddr3Memory
from hw.memory.litedram.core import Purpose, core
from hw.memory.litedram.sequencer import SETTINGS
from hw.memory.port import run_layout
from hw.verilog import convert
from sw_runtime.device.simulator.build import HARNESS, TOP, build_library
from sw_runtime.device.simulator.library import ALWAYS, Items
from tests.hw.memory.litedram.subject import Ddr3Subject

HERE = Path(__file__).parent
PORT_BYTES = 8
START_LIMIT = 400_000
"""Cycles in which every start has come to its end."""


@dataclass(frozen=True)
class Lane:
    """At which delays, and at which bitslip, a lane of the model reads right, and whether it detects bursts.

    ``last`` is 6 at most: the model has 3 bits for the delay behind it.
    """

    first: int = 2
    last: int = 5
    bitslip: int = 1
    detects: bool = True


class _Lane(ctypes.Structure):
    _fields_ = (
        ("first", ctypes.c_uint64),
        ("last", ctypes.c_uint64),
        ("bitslip", ctypes.c_uint64),
        ("detects", ctypes.c_uint64),
    )


class _Run(ctypes.Structure):
    _fields_ = (
        ("runs", Items),
        ("beats", Items),
        ("taken", ctypes.c_void_p),
        ("taken_count", ctypes.c_uint64),
        ("taken_chance", ctypes.c_uint64),
        ("cycle_limit", ctypes.c_uint64),
        ("first", ctypes.c_uint64),
        ("last", ctypes.c_uint64),
    )


@dataclass(frozen=True)
class Answer:
    """Beats that were read, and the cycles of the first and the last: of those written if none was."""

    beats: NDArray[np.uint64]
    first: int
    last: int


def build(ddr3: Ddr3Memory, folder: Path, verilog: Callable[[], str] | None = None, marks: str = "") -> Path:
    """Compile the subject, or another Verilog of it; returns the library.

    ``marks`` is C++ that the library is found again by.
    """
    harness = folder / "harness.cpp"
    harness.write_text(f'#include "{HARNESS}"\n' + (HERE / "harness.cpp").read_text() + marks)
    parameters = (ddr3, version("litedram"), version("litex"), version("migen"), (HERE / "subject.py").read_text())
    return build_library(verilog or (lambda: subject_verilog(ddr3)), parameters, harness, f"DDR3 of {ddr3.name}")


def subject_verilog(ddr3: Ddr3Memory) -> str:
    """The subject and the core that it is made for."""
    made = core(ddr3, Purpose.CHECKS)
    return convert(Ddr3Subject(ddr3, made, PORT_BYTES), TOP) + made.verilog


class Ddr3Simulation:
    """A subject whose lanes read right at some settings."""

    def __init__(self, library: Path, ddr3: Ddr3Memory, lanes: Sequence[Lane] = (Lane(), Lane(1, 3, 2))) -> None:
        self.ddr3 = ddr3
        self._library = library = ctypes.CDLL(str(library))
        library.ddr3_open.restype = ctypes.c_void_p
        library.ddr3_cycles.restype = library.ddr3_seen.restype = library.run_bytes.restype = ctypes.c_uint64
        told = (_Lane * len(lanes))(*(_Lane(*astuple(lane)) for lane in lanes))
        self.handle = ctypes.c_void_p(library.ddr3_open(ctypes.c_uint64(7), told))

    def close(self) -> None:
        """Free it."""
        self._library.ddr3_close(self.handle)

    def start(self) -> list[dict[str, int]] | None:
        """Run until the start is done; settings of the lanes, or None if it failed.

        Raises
        ------
        AssertionError
            If it comes to no end.
        """
        found = (ctypes.c_uint64 * self.ddr3.lanes)()
        end = self._library.ddr3_start(self.handle, ctypes.c_uint64(START_LIMIT), found)
        assert end, "no end"
        views = [SETTINGS.from_bits(bits) for bits in found]
        return None if end == 2 else [{name: int(view[name]) for name in SETTINGS.members} for view in views]

    @property
    def cycles(self) -> int:
        """Of our clock, since reset."""
        return int(self._library.ddr3_cycles(self.handle))

    def seen(self) -> NDArray[np.uint64]:
        """What the chip saw: rows of its clock, control pins, command pins, bank and address."""
        first = ctypes.POINTER(ctypes.c_uint64)()
        count = self._library.ddr3_seen(self.handle, ctypes.byref(first))
        return np.ctypeslib.as_array(first, (count, 5)).copy()

    def write(self, address: int, beats: NDArray[np.uint64], share: float = 1) -> Answer:
        """Write a run of beats, which are there in a share of the cycles."""
        return self.runs([(address, len(beats), True)], beats, share)

    def read(self, address: int, beats: int, share: float = 1) -> Answer:
        """Read a run of beats; the consumer is ready in a share of the cycles."""
        return self.runs([(address, beats, False)], share=share)

    def runs(
        self, runs: Sequence[tuple[int, int, bool]], data: NDArray[np.uint64] | None = None, share: float = 1
    ) -> Answer:
        """Runs as (address, beats, write).

        Raises
        ------
        AssertionError
            If they come to no end.
        """
        layout, width = run_layout(self.ddr3, PORT_BYTES), self._library.run_bytes()
        words = [layout.const({"address": a, "beats": n - 1, "write": w}).as_value().value for a, n, w in runs]
        offered = np.frombuffer(b"".join(word.to_bytes(width, "little") for word in words), np.uint8)
        written = np.zeros(0, np.uint64) if data is None else np.asarray(data, np.uint64)
        taken = np.zeros(sum(n for _, n, write in runs if not write), np.uint64)
        chance = round(share * ALWAYS)
        run = _Run(
            runs=Items(offered.ctypes.data, len(runs), ALWAYS),
            beats=Items(written.ctypes.data, len(written), chance),
            taken=taken.ctypes.data,
            taken_count=len(taken),
            taken_chance=chance,
            cycle_limit=START_LIMIT + 100 * sum(n for _, n, _ in runs),
        )
        assert not self._library.ddr3_run(self.handle, ctypes.byref(run)), "no end"
        return Answer(taken, run.first, run.last)
