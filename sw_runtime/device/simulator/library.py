"""The compiled simulator as Python sees it: one call a product, a batch of router commands or a routed product."""

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formats.arguments import check_types
from formats.engine import EngineParameters
from formats.errors import DeviceError, InputError
from formats.router.descriptor import RouterParameters
from sw_runtime.device.layout import Beats
from sw_runtime.device.transport import Packet, Pass

ALWAYS = 1 << 32
"""Chance, in units of 2^-32 a cycle, of a stream that never pauses."""

KEY_BYTES = 3


class Items(ctypes.Structure):
    """Mirror of the harness's struct of the same name."""

    _fields_ = (("first", ctypes.c_void_p), ("count", ctypes.c_uint64), ("chance", ctypes.c_uint64))


class Run(ctypes.Structure):
    """Mirror of the harness's struct of the same name."""

    _fields_ = (
        ("commands", Items),
        ("data", Items),
        ("scales", Items),
        ("router_commands", Items),
        ("router_data", Items),
        ("results", ctypes.c_void_p),
        ("result_count", ctypes.c_uint64),
        ("result_chance", ctypes.c_uint64),
        ("words", ctypes.c_void_p),
        ("word_limit", ctypes.c_uint64),
        ("word_count", ctypes.c_uint64),
        ("answer_chance", ctypes.c_uint64),
        ("cycle_limit", ctypes.c_uint64),
        ("cycles", ctypes.c_uint64),
        ("broken_offers", ctypes.c_uint64),
    )


@dataclass(frozen=True)
class Traffic:
    """How often the streams around the accelerator are ready, as shares of the cycles.

    Parameters
    ----------
    memory
        Share of cycles in which the next beat of data is there; 1 is an ideal memory.
    results
        Share of cycles in which the host takes results and answers.
    commands
        Share of cycles in which the host has its next command.

    Raises
    ------
    InputError
        If a share is no number, or not above 0 and at most 1.
    """

    memory: float = 1.0
    results: float = 1.0
    commands: float = 1.0

    def __post_init__(self) -> None:
        for name in ("memory", "results", "commands"):
            check_types(**{name: (getattr(self, name), int | float)})
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{name} must be above 0 and at most 1, not {getattr(self, name)!r}")


IDEAL = Traffic()
"""No pauses."""


class Simulator:
    """One accelerator under simulation. Not for two threads at once; open one each.

    Parameters
    ----------
    library
        What ``build_accelerator`` returned for ``engine`` and ``router``.
    engine, router
        Sizes of its units; None where it has none.
    seed
        Start of the pseudo-random pauses.
    """

    def __init__(
        self, library: Path, engine: EngineParameters | None, router: RouterParameters | None, seed: int = 0
    ) -> None:
        self._engine, self._router = engine, router
        self._library = ctypes.CDLL(str(library))
        self._library.simulation_open.restype = ctypes.c_void_p
        self._library.simulation_open.argtypes = [ctypes.c_uint64]
        self._library.simulation_close.argtypes = [ctypes.c_void_p]
        if hasattr(self._library, "simulation_trace"):
            self._library.simulation_trace.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        self._library.simulation_run.argtypes = [ctypes.c_void_p, ctypes.POINTER(Run)]
        self._simulation = self._library.simulation_open(seed)

    def trace(self, file: Path) -> None:
        """Record every signal from now on until the simulator is closed; a half cycle is a unit of time.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        if self._library.simulation_trace(self._simulation, os.fsencode(file)):
            raise OSError(f"{file} cannot be written; name a file in a folder that is there")

    @property
    def handle(self) -> int:
        """What the library calls this simulation."""
        return int(self._simulation)

    def run(self, product: Pass, weights: Beats, traffic: Traffic = IDEAL) -> tuple[Beats, int]:
        """Run one product over beats of weights; returns its result beats and the cycles from command to last result.

        Raises
        ------
        DeviceError
            If the engine stops answering, with the cycle at which it was given up.
        """
        assert self._engine  # a router alone multiplies nothing
        results = np.zeros((product.result_beats, self._engine.results_per_beat * 8), dtype=np.uint8)
        command, beats = self._command(product), np.concatenate([product.activations, weights])
        run = Run(
            commands=_items(command, traffic.commands),
            data=_items(beats, traffic.memory),
            results=results.ctypes.data,
            result_count=len(results),
            result_chance=_chance(traffic.results),
            answer_chance=ALWAYS,
            word_limit=1,
            cycle_limit=_patience(len(beats) + len(results), traffic),
        )
        if self._library.simulation_run(self._simulation, ctypes.byref(run)):
            raise DeviceError(f"the simulated engine gave no answer within {run.cycle_limit} cycles")
        return results, int(run.cycles)

    def route(
        self, packets: Sequence[Packet], word_limit: int, cycle_limit: int, traffic: Traffic = IDEAL
    ) -> tuple[list[int], int]:
        """Send commands and their data as fast as the router takes them; returns all words, and cycles.

        Raises
        ------
        DeviceError
            If answers are missing after ``word_limit`` words or ``cycle_limit`` cycles, or the answer
            stream broke its rules.
        """
        commands = np.array([packet.command.words() for packet in packets], dtype="<u4")
        beats, words = self._router_beats(packets), np.zeros(word_limit, dtype=np.uint16)
        run = Run(
            router_commands=_items(commands, traffic.commands),
            router_data=_items(beats, traffic.memory),
            result_chance=ALWAYS,
            words=words.ctypes.data,
            word_limit=word_limit,
            answer_chance=_chance(traffic.results),
            cycle_limit=cycle_limit,
        )
        if self._library.simulation_run(self._simulation, ctypes.byref(run)):
            raise DeviceError(
                f"the simulated router sent {run.word_count} words in {run.cycles} cycles and not every answer"
            )
        if run.broken_offers:
            raise DeviceError(f"the simulated router withdrew {run.broken_offers} words before they were taken")
        return words[: run.word_count].tolist(), int(run.cycles)

    def run_routed(
        self,
        product: Pass,
        weights: Beats,
        scales: Beats,
        packet: Packet,
        word_limit: int,
        traffic: Traffic = IDEAL,
    ) -> tuple[list[int], int]:
        """Run a product whose results are the data of a router command; returns the answer's words, and cycles.

        Raises
        ------
        DeviceError
            If the answer does not come, with the cycle at which it was given up.
        """
        router_command, words = np.array([packet.command.words()], dtype="<u4"), np.zeros(word_limit, dtype=np.uint16)
        command, beats = self._command(product), np.concatenate([product.activations, weights])
        run = Run(
            commands=_items(command, traffic.commands),
            data=_items(beats, traffic.memory),
            scales=_items(scales, traffic.memory),
            router_commands=_items(router_command, traffic.commands),
            result_chance=ALWAYS,
            words=words.ctypes.data,
            word_limit=word_limit,
            answer_chance=_chance(traffic.results),
            cycle_limit=_patience(len(beats) + len(scales) + word_limit, traffic),
        )
        if self._library.simulation_run(self._simulation, ctypes.byref(run)):
            raise DeviceError(f"the simulated accelerator did not answer a routed product in {run.cycles} cycles")
        return words[: run.word_count].tolist(), int(run.cycles)

    def close(self) -> None:
        """Free the simulated accelerator."""
        self._library.simulation_close(self._simulation)
        self._simulation = None

    def _command(self, product: Pass) -> Beats:
        """A product's command as its port lays it out."""
        octets = product.command.to_bytes(int(self._library.command_bytes()), "little")
        return np.frombuffer(octets, dtype=np.uint8)[None]

    def _router_beats(self, packets: Sequence[Packet]) -> Beats:
        """Beats of packets as the router's data port lays them out."""
        assert self._router  # an engine alone takes no packets
        beat_bytes, lanes = int(self._library.router_beat_bytes()), self._router.lanes
        data = bytearray()
        for packet in packets:
            for index, elements in enumerate(packet.beats):
                last = index == len(packet.beats) - 1 and not packet.aborted
                data += _router_beat(elements, int(last), lanes).to_bytes(beat_bytes, "little")
            if packet.aborted:
                data += _router_beat((), 2, lanes).to_bytes(beat_bytes, "little")
        return np.frombuffer(bytes(data), dtype=np.uint8).reshape(-1, beat_bytes)


def _router_beat(elements: Sequence[int], marks: int, lanes: int) -> int:
    """Keys, the first lowest, and above them the marks: 1 for the last beat, 2 for an abort."""
    keys = sum(element << 8 * KEY_BYTES * lane for lane, element in enumerate(elements))
    return keys | marks << 8 * KEY_BYTES * lanes


def _items(array: Beats, share: float) -> Items:
    """A stream of the array's rows; the array must outlive the run."""
    return Items(array.ctypes.data, len(array), _chance(share))


def _chance(share: float) -> int:
    return round(share * ALWAYS)


def _patience(items: int, traffic: Traffic) -> int:
    """Cycles after which an accelerator that has not moved all items is given up."""
    return int(4 * items / min(traffic.memory, traffic.results, traffic.commands)) + 10_000
