"""The compiled simulator as Python sees it: one call a product."""

import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formats.engine import EngineParameters
from sw_runtime.device.layout import Beats

ALWAYS = 1 << 32
"""Chance, in units of 2^-32 a cycle, of a stream that never pauses."""


class Product(ctypes.Structure):
    """Mirror of the harness's struct of the same name."""

    _fields_ = (
        ("command", ctypes.c_uint64),
        ("activations", ctypes.c_void_p),
        ("activation_beats", ctypes.c_uint64),
        ("weights", ctypes.c_void_p),
        ("weight_beats", ctypes.c_uint64),
        ("results", ctypes.c_void_p),
        ("result_beats", ctypes.c_uint64),
        ("data_chance", ctypes.c_uint64),
        ("result_chance", ctypes.c_uint64),
        ("cycle_limit", ctypes.c_uint64),
        ("cycles", ctypes.c_uint64),
    )


@dataclass(frozen=True)
class Traffic:
    """How often the streams around the engine are ready, as shares of the cycles.

    Parameters
    ----------
    memory
        Share of cycles in which the memory has its next beat; 1 is an ideal memory.
    results
        Share of cycles in which the host takes results.

    Raises
    ------
    ValueError
        If a share is not above 0 and at most 1.
    """

    memory: float = 1.0
    results: float = 1.0

    def __post_init__(self) -> None:
        for name in ("memory", "results"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be above 0 and at most 1, not {getattr(self, name)!r}")


class Simulator:
    """One engine under simulation. Not for two threads at once; open one each.

    Parameters
    ----------
    library
        What ``build_engine`` returned for ``parameters``.
    parameters
        The engine's size.
    seed
        Start of the pseudo-random pauses.
    """

    def __init__(self, library: Path, parameters: EngineParameters, seed: int = 0) -> None:
        self._parameters = parameters
        self._library = ctypes.CDLL(str(library))
        self._library.engine_open.restype = ctypes.c_void_p
        self._library.engine_open.argtypes = [ctypes.c_uint64]
        self._library.engine_close.argtypes = [ctypes.c_void_p]
        self._library.engine_run.argtypes = [ctypes.c_void_p, ctypes.POINTER(Product)]
        self._engine = self._library.engine_open(seed)

    def run(
        self, command: int, activations: Beats, weights: Beats, result_beats: int, traffic: Traffic
    ) -> tuple[Beats, int]:
        """Run one product; returns its result beats and the cycles from command to last result.

        Raises
        ------
        RuntimeError
            If the engine stops answering, with the cycle at which it was given up.
        """
        results = np.zeros((result_beats, self._parameters.results_per_beat * 8), dtype=np.uint8)
        beats = len(activations) + len(weights) + result_beats
        product = Product(
            command=command,
            activations=activations.ctypes.data,
            activation_beats=len(activations),
            weights=weights.ctypes.data,
            weight_beats=len(weights),
            results=results.ctypes.data,
            result_beats=result_beats,
            data_chance=round(traffic.memory * ALWAYS),
            result_chance=round(traffic.results * ALWAYS),
            cycle_limit=int(4 * beats / min(traffic.memory, traffic.results)) + 10_000,
        )
        if self._library.engine_run(self._engine, ctypes.byref(product)):
            raise RuntimeError(f"the simulated engine gave no answer within {product.cycle_limit} cycles")
        return results, product.cycles

    def close(self) -> None:
        """Free the simulated engine."""
        self._library.engine_close(self._engine)
        self._engine = None
