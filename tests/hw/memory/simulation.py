"""The subject and its chip under simulation, as Python sees them: one call a traffic."""

import ctypes
import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw.memory.chips import SdramTiming
from hw.memory.port import run_layout
from hw.memory.words import reading_layout
from hw.verilog import convert
from sw_runtime.device.simulator.build import HARNESS, SDRAM_MODEL, TOP, build_library
from sw_runtime.device.simulator.library import ALWAYS, Items
from tests.hw.memory.subject import (
    BEATS,
    CONFIGURATIONS,
    LARGEST,
    PARAMETERS,
    PORT_BYTES,
    PRODUCTS,
    WORD_BITS,
    WORDS,
    MemorySubject,
)

HERE = Path(__file__).parent
COMMANDS = ("nop", "activate", "read", "refresh", "stop", "precharge", "write", "mode")


class MemoryRun(ctypes.Structure):
    """Mirror of the harness's struct of the same name."""

    _fields_ = (
        ("runs", Items),
        ("beats", Items),
        ("readings", Items),
        ("commands", Items),
        ("taken", ctypes.c_void_p),
        ("taken_count", ctypes.c_uint64),
        ("taken_chance", ctypes.c_uint64),
        ("results", ctypes.c_void_p),
        ("result_count", ctypes.c_uint64),
        ("cycle_limit", ctypes.c_uint64),
        ("cycles", ctypes.c_uint64),
        ("first", ctypes.c_uint64),
        ("last", ctypes.c_uint64),
        ("broken_offers", ctypes.c_uint64),
    )


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of a traffic: payloads or results, uint32 or int64, and the cycles of the first and the last."""

    payloads: NDArray[np.uint32]
    results: NDArray[np.int64]
    first: int
    last: int


def build(folder: Path, verilog: Callable[[], str] | None = None, marks: str = "") -> Path:
    """Compile the subject with its engine, or another Verilog of it without; returns the library.

    ``marks`` is C++ that the library is found again by.
    """
    define = "" if verilog else "#define PRODUCTS\n"
    parts = [f'#include "{file}"\n' for file in (HARNESS, SDRAM_MODEL)] + [(HERE / "memory_harness.cpp").read_text()]
    subject = hashlib.sha256((HERE / "subject.py").read_bytes()).hexdigest()  # the Verilog follows from it too
    harness = folder / "harness.cpp"
    harness.write_text(f"// {subject}\n{define}" + "".join(parts) + marks)
    made = verilog or (lambda: convert(MemorySubject(PARAMETERS), TOP))
    return build_library(made, (), harness, "memory")


class MemorySimulation:
    """A subject and a chip.

    Parameters
    ----------
    library
        What ``build`` returned.
    controller
        Which of ``CONFIGURATIONS``.
    rules
        What the chip asks for, where that is not what the controller was made for.
    """

    def __init__(self, library: Path, controller: int = 0, **rules: int) -> None:
        sdram = CONFIGURATIONS[controller]
        self.chip = chip = sdram.chip
        self.timing = sdram.timing
        timing = dataclasses.astuple(dataclasses.replace(self.timing, **rules))
        self._library = library = ctypes.CDLL(str(library))
        library.memory_open.restype = ctypes.c_void_p
        library.sdram_rules.restype = ctypes.c_char_p
        opened = library.memory_open(
            ctypes.c_uint64(7),
            controller,
            _Timing(*timing),
            _Geometry(chip.row_bits, chip.column_bits),
        )
        self.handle = ctypes.c_void_p(opened)

    def close(self) -> None:
        """Free both."""
        self._library.memory_close(self.handle)

    def write(self, address: int, beats: Sequence[int] | NDArray[np.uint32]) -> Answer:
        """Write a run of beats."""
        return self.runs([(address, len(beats), True)], np.asarray(beats, dtype=np.uint32))

    def read(self, address: int, beats: int, share: float = 1) -> Answer:
        """Read a run of beats; the consumer is ready in a share of the cycles."""
        return self.runs([(address, beats, False)], share=share)

    def runs(
        self, runs: Sequence[tuple[int, int, bool]], data: NDArray[np.uint32] | None = None, share: float = 1
    ) -> Answer:
        """Runs as (address, beats, write), of which one that begins where the one before it ended is told to follow;
        where the consumer pauses, so does the data to write.
        """
        layout, size = run_layout(LARGEST, PORT_BYTES), self.chip.size_bytes // PORT_BYTES
        ends = [-1, *((address + beats) % size for address, beats, _ in runs)]
        offered = [
            # the address of a run that follows is not looked at
            layout.const({"address": 0 if a == end else a, "beats": n - 1, "write": w, "follows": a == end})
            for (a, n, w), end in zip(runs, ends, strict=False)
        ]
        return self._run(
            BEATS,
            runs=_packed([const.as_value().value for const in offered], self._library.run_bytes()),
            beats=np.zeros(0, np.uint32) if data is None else data,
            moved=sum(n for _, n, _ in runs),
            expected=sum(n for _, n, write in runs if not write),
            share=share,
            data_share=1 if share == 1 else 0.5,
        )

    def words(self, address: int, width: int, words: int, share: float = 1) -> Answer:
        """Read words of a width."""
        readings = self._readings([(address, width, words)])
        return self._run(WORDS, words, readings=readings, expected=words, share=share)

    def product(self, readings: Sequence[tuple[int, int, int]], command: int, results: int) -> Answer:
        """Stream readings, (address, width, words), into the engine."""
        commands = _packed([command], self._library.command_bytes())
        moved = sum(words for _, _, words in readings)
        return self._run(PRODUCTS, moved, readings=self._readings(readings), commands=commands, results=results)

    def broken(self) -> dict[str, int]:
        """How often each rule has been broken, of those that were."""
        broken, _, _ = self._report()
        return {name: count for name, count in broken.items() if count}

    def counted(self) -> dict[str, int]:
        """Commands that the chip got."""
        return self._report()[1]

    def longest_gap(self) -> int:
        """Most cycles between two refreshes."""
        return self._report()[2]

    def _report(self) -> tuple[dict[str, int], dict[str, int], int]:
        rules = self._library.sdram_rules().decode().split()
        broken, commands, gap = (ctypes.c_int64 * len(rules))(), (ctypes.c_int64 * 8)(), ctypes.c_int64()
        self._library.sdram_report(self.handle, broken, commands, ctypes.byref(gap))
        return dict(zip(rules, broken, strict=True)), dict(zip(COMMANDS, commands, strict=True)), gap.value

    def _readings(self, readings: Sequence[tuple[int, int, int]]) -> NDArray[np.uint8]:
        layout, offered = reading_layout(LARGEST, PORT_BYTES, WORD_BITS), []
        for address, width, words in readings:
            beats = -(-words * width // (8 * PORT_BYTES))
            fields = {"address": address, "beats": beats - 1, "words": words - 1, "width": WORD_BITS.index(width)}
            offered.append(layout.const(fields).as_value().value)
        return _packed(offered, self._library.reading_bytes())

    def _run(
        self,
        kind: int,
        moved: int,
        expected: int = 0,
        results: int = 0,
        share: float = 1,
        data_share: float = 1,
        **streams: NDArray[np.generic],
    ) -> Answer:
        """One call.

        Raises
        ------
        AssertionError
            If it comes to no end, or an offer changes before it is taken.
        """
        taken, sums = np.zeros(expected, np.uint32), np.zeros(results, np.int64)
        shares = {"beats": data_share}
        offers = {
            name: Items(array.ctypes.data, len(array), round(shares.get(name, 1) * ALWAYS))
            for name, array in streams.items()
        }
        run = MemoryRun(
            **offers,
            taken=taken.ctypes.data,
            taken_count=expected,
            taken_chance=round(share * ALWAYS),
            results=sums.ctypes.data,
            result_count=results,
            cycle_limit=100_000 + 100 * moved,  # the start, then every beat in another page and waiting for a consumer
        )
        assert not self._library.memory_run(self.handle, kind, ctypes.byref(run)), "no end"
        assert not run.broken_offers
        return Answer(taken, sums, run.first, run.last)


class _Timing(ctypes.Structure):
    _fields_ = tuple((field.name, ctypes.c_int64) for field in dataclasses.fields(SdramTiming))


class _Geometry(ctypes.Structure):
    _fields_ = (("row_bits", ctypes.c_int64), ("column_bits", ctypes.c_int64))


def at_power_up(addresses: NDArray[np.int64]) -> NDArray[np.uint32]:
    """What the port's beats hold before they are written."""
    low, high = ((addresses.astype(np.uint64) * 2 + half) * 0x9E3779B1 >> 16 & 0xFFFF for half in (0, 1))
    return (low | high << 16).astype(np.uint32)


def _packed(payloads: Sequence[int], width: int) -> NDArray[np.uint8]:
    """One row of bytes a payload."""
    octets = b"".join(payload.to_bytes(width, "little") for payload in payloads)
    return np.frombuffer(octets, dtype=np.uint8).reshape(-1, width)
