"""A board and its memory under simulation: requests in, responses out, a call for many."""

import ctypes
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from formats.errors import DeviceError
from hw.board.parameters import BoardParameters
from hw.memory.chips import Sdram, SdramTiming
from hw.memory.kinds import MemoryKind
from sw_runtime.device.simulator.card import CardSettings
from sw_runtime.device.simulator.library import ALWAYS, Items

LAST = 1 << 32
"""Bit of a word that is the last of its request or response."""


class BoardRun(ctypes.Structure):
    """Mirror of the harness's struct of the same name."""

    _fields_ = (
        ("words", Items),
        ("taken", ctypes.c_void_p),
        ("taken_limit", ctypes.c_uint64),
        ("taken_count", ctypes.c_uint64),
        ("taken_chance", ctypes.c_uint64),
        ("responses", ctypes.c_uint64),
        ("cycle_limit", ctypes.c_uint64),
        ("cycles", ctypes.c_uint64),
        ("broken_offers", ctypes.c_uint64),
    )


class _Timing(ctypes.Structure):
    _fields_ = tuple((field.name, ctypes.c_int64) for field in dataclasses.fields(SdramTiming))


class _Geometry(ctypes.Structure):
    _fields_ = (("row_bits", ctypes.c_int64), ("column_bits", ctypes.c_int64))


def chip_of(memory: MemoryKind) -> tuple[ctypes.Structure, ...]:
    """What a harness is told of the memory chip that it plays: nothing where that is part of the board."""
    if not isinstance(memory, Sdram):
        return ()
    timing = _Timing(*dataclasses.astuple(memory.timing))
    return timing, _Geometry(memory.chip.row_bits, memory.chip.column_bits)


class BoardSimulator:
    """One board under simulation. Not for two threads at once.

    Parameters
    ----------
    library
        What ``build_board`` returned for ``parameters``.
    parameters
        Of the board.
    share
        Share of the cycles in which a word of a request is there, and in which a word of a response is taken.

    Attributes
    ----------
    cycles
        Simulated so far.
    """

    def __init__(self, library: Path, parameters: BoardParameters, share: float = 1) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.board_open.restype = ctypes.c_void_p
        self._sdram = isinstance(parameters.memory, Sdram)
        if self._sdram:
            self._library.sdram_rules.restype = ctypes.c_char_p
        self._chance = round(share * ALWAYS)
        self.cycles = 0
        self._start_cycles = parameters.memory.most_start_cycles
        self._handle = ctypes.c_void_p(self._library.board_open(ctypes.c_uint64(7), *chip_of(parameters.memory)))

    def exchange(self, requests: Sequence[Sequence[int]], response_words: int, cycles: int) -> list[list[int]]:
        """Send requests and return their responses, both as 32-bit words.

        ``response_words`` and ``cycles`` are the most that may come back in all, and that it may take beside the
        chip's start.

        Raises
        ------
        DeviceError
            If the responses do not come, or the stream of responses breaks its rules.
        """
        words = np.array([word for request in requests for word in request], dtype=np.uint64)
        ends = np.cumsum([len(request) for request in requests]) - 1
        words[ends] |= np.uint64(LAST)
        taken = np.zeros(response_words + 1, dtype=np.uint64)
        run = BoardRun(
            words=Items(words.ctypes.data, len(words), self._chance),
            taken=taken.ctypes.data,
            taken_limit=len(taken),
            taken_chance=self._chance,
            responses=len(requests),
            cycle_limit=cycles + self._start_cycles,
        )
        failed = self._library.board_run(self._handle, ctypes.byref(run))
        self.cycles += run.cycles
        if failed:
            raise DeviceError(f"the simulated board sent {run.taken_count} words in {run.cycles} cycles and stopped")
        if run.broken_offers:
            raise DeviceError(f"the simulated board withdrew {run.broken_offers} words before they were taken")
        came = taken[: run.taken_count]
        cuts = np.flatnonzero(came >= LAST) + 1
        return [part.tolist() for part in np.split(came & np.uint64(LAST - 1), cuts[:-1])]

    def insert(self, card: CardSettings) -> None:
        """Put a card into the slot, for one that was there before."""
        self._library.board_insert(self._handle, card)

    def wait(self, cycles: int) -> None:
        """Let time pass without a request."""
        taken = np.zeros(1, dtype=np.uint64)
        run = BoardRun(taken=taken.ctypes.data, taken_limit=1, responses=1, cycle_limit=cycles)
        self._library.board_run(self._handle, ctypes.byref(run))
        self.cycles += run.cycles

    @property
    def broken_card_rules(self) -> int:
        """Rules of the card in the slot that were broken, a bit each."""
        return int(self._library.board_broken_card_rules(self._handle))

    def broken_rules(self) -> dict[str, int]:
        """How often an SDRAM chip was asked for what its maker does not allow, by rule; nothing if never.

        Nobody looks at the rules of a DDR3 chip here.
        """
        if not self._sdram:
            return {}
        rules = self._library.sdram_rules().decode().split()
        broken, gap = (ctypes.c_int64 * len(rules))(), ctypes.c_int64()
        self._library.sdram_report(self._handle, broken, ctypes.byref(gap))
        return {name: count for name, count in zip(rules, broken, strict=True) if count}

    def close(self) -> None:
        """Free the board."""
        self._library.board_close(self._handle)
