"""The compiled simulator of a router as Python sees it: one call a batch of commands."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formats.router.descriptor import Command
from hw.router.parameters import UnitParameters
from hw.router.router import Router
from hw.verilog import convert
from sw_runtime.device.simulator.build import build_library
from sw_runtime.device.simulator.library import ALWAYS

HARNESS = Path(__file__).with_name("router_harness.cpp")
KEY_BYTES = 3


class Batch(ctypes.Structure):
    """Mirror of the harness's struct of the same name."""

    _fields_ = (
        ("commands", ctypes.c_void_p),
        ("command_count", ctypes.c_uint64),
        ("beats", ctypes.c_void_p),
        ("beat_count", ctypes.c_uint64),
        ("words", ctypes.c_void_p),
        ("word_limit", ctypes.c_uint64),
        ("word_count", ctypes.c_uint64),
        ("command_chance", ctypes.c_uint64),
        ("data_chance", ctypes.c_uint64),
        ("answer_chance", ctypes.c_uint64),
        ("cycle_limit", ctypes.c_uint64),
        ("cycles", ctypes.c_uint64),
        ("broken_offers", ctypes.c_uint64),
    )


@dataclass(frozen=True)
class Packet:
    """A command and the beats that follow it.

    Parameters
    ----------
    command
        The command.
    beats
        Raw elements, one list a beat (see ``formats.router.stream.to_beats``); none without the
        DATA flag.
    aborted
        The packet ends with an abort after the beats, not with its last beat.
    """

    command: Command
    beats: Sequence[Sequence[int]] = ()
    aborted: bool = False


@dataclass(frozen=True)
class Pauses:
    """How often the streams around the router take part, as shares of the cycles, above 0 to 1."""

    commands: float = 1.0
    data: float = 1.0
    answers: float = 1.0


def build_router(parameters: UnitParameters) -> Path:
    """Compile the simulator of a router and return its library; instant when the cache has it.

    Raises
    ------
    RuntimeError
        If a tool is missing or fails, with its last words.
    """
    label = f"router of {parameters.lanes} lanes"
    return build_library(lambda: convert(Router(parameters), "router"), (parameters,), "router", HARNESS, label)


class RouterSimulator:
    """One router under simulation. Not for two threads at once; open one each.

    Parameters
    ----------
    library
        What ``build_router`` returned for ``parameters``, or ``build_accelerator`` for it and an engine's.
    parameters
        The router's size.
    seed
        Start of the pseudo-random pauses.
    """

    def __init__(self, library: Path, parameters: UnitParameters, seed: int = 0) -> None:
        self._parameters = parameters
        self._library = ctypes.CDLL(str(library))
        self._library.router_open.restype = ctypes.c_void_p
        self._library.router_open.argtypes = [ctypes.c_uint64]
        self._library.router_close.argtypes = [ctypes.c_void_p]
        self._library.router_beat_bytes.restype = ctypes.c_uint64
        self._library.router_run.argtypes = [ctypes.c_void_p, ctypes.POINTER(Batch)]
        self._beat_bytes = int(self._library.router_beat_bytes())
        self._router = self._library.router_open(seed)

    @property
    def handle(self) -> int:
        """What the library calls this router."""
        return int(self._router)

    def run(
        self, packets: Sequence[Packet], word_limit: int, cycle_limit: int, pauses: Pauses | None = None
    ) -> tuple[list[int], int]:
        """Send commands and their data as fast as the router takes them; returns all words, and cycles.

        Raises
        ------
        RuntimeError
            If answers are missing after ``word_limit`` words or ``cycle_limit`` cycles, or the answer
            stream broke its rules.
        """
        pauses = pauses or Pauses()
        commands = np.array([packet.command.words() for packet in packets], dtype="<u4")
        beats = b"".join(self._beats(packet) for packet in packets)
        words = np.zeros(word_limit, dtype=np.uint16)
        batch = Batch(
            commands=commands.ctypes.data,
            command_count=len(packets),
            beats=ctypes.cast(ctypes.c_char_p(beats), ctypes.c_void_p),
            beat_count=len(beats) // self._beat_bytes,
            words=words.ctypes.data,
            word_limit=word_limit,
            command_chance=round(pauses.commands * ALWAYS),
            data_chance=round(pauses.data * ALWAYS),
            answer_chance=round(pauses.answers * ALWAYS),
            cycle_limit=cycle_limit,
        )
        if self._library.router_run(self._router, ctypes.byref(batch)):
            raise RuntimeError(
                f"the simulated router sent {batch.word_count} words in {batch.cycles} cycles and not every answer"
            )
        if batch.broken_offers:
            raise RuntimeError(f"the simulated router withdrew {batch.broken_offers} words before they were taken")
        return words[: batch.word_count].tolist(), int(batch.cycles)

    def _beats(self, packet: Packet) -> bytes:
        """Beats as the simulator's port lays them out."""
        beats = [(elements, False) for elements in packet.beats]
        if packet.aborted:
            beats.append(((), True))
        data = bytearray()
        for index, (elements, abort) in enumerate(beats):
            value = sum(element << 8 * KEY_BYTES * lane for lane, element in enumerate(elements))
            last = index == len(beats) - 1 and not abort
            value |= (last | abort << 1) << 8 * KEY_BYTES * self._parameters.lanes
            data += value.to_bytes(self._beat_bytes, "little")
        return bytes(data)

    def close(self) -> None:
        """Free the simulated router."""
        self._library.router_close(self._router)
        self._router = None
