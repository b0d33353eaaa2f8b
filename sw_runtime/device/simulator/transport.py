"""The transport into Verilator: every cycle of the accelerator is simulated."""

import itertools
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from formats.engine import EngineParameters
from hw.router.parameters import UnitParameters
from sw_runtime.cores import cores
from sw_runtime.device.layout import Beats
from sw_runtime.device.simulator.build import build_accelerator
from sw_runtime.device.simulator.library import IDEAL, Simulator, Traffic
from sw_runtime.device.transport import Packet, Pass, StoredWeights


class VerilatorTransport:
    """Simulators that stand for one accelerator.

    Passes over the weights are independent of each other, so several run at once, one simulator of the
    engine per core. What needs the router runs in one more, of all units: the router is stateful, and
    simulating it idle would slow the others.

    Parameters
    ----------
    engine, router
        Sizes of the units; None leaves one out.
    traffic
        Pauses of the memory and of the host around products.
    simulators
        Simulators of the engine to run side by side; 0 takes one a core.
    waveform
        File that records every signal of the only unit, then in one simulator: of the format that its name ends with.

    Raises
    ------
    DependencyError
        If a simulator cannot be built.
    OSError
        If the waveform cannot be written.
    """

    def __init__(
        self,
        engine: EngineParameters | None,
        router: UnitParameters | None,
        traffic: Traffic = IDEAL,
        simulators: int = 0,
        waveform: Path | None = None,
    ) -> None:
        self._traffic = traffic
        ending = waveform.suffix if waveform else None
        self._joint = Simulator(build_accelerator(engine, router, ending), engine, router) if router else None
        count = 1 if waveform else simulators or cores()
        self._engines = _engines(engine, count, ending) if engine else []
        if waveform:
            (only,) = [*self._engines, *([self._joint] if self._joint else [])]
            only.trace(waveform)
        self._free: queue.SimpleQueue[Simulator] = queue.SimpleQueue()
        for simulator in self._engines:
            self._free.put(simulator)
        self._pool = ThreadPoolExecutor(count)
        self._weights: dict[int, Beats] = {}
        self._places = itertools.count()

    def check_room(self, nbytes: int) -> None:
        """There is always room."""

    def load(self, beats: Beats, beat_bits: int) -> StoredWeights:
        """Keep beats as they pass the port."""
        place = next(self._places)
        self._weights[place] = beats
        return StoredWeights(place, len(beats), beats.nbytes)

    def unload(self, weights: StoredWeights) -> None:
        """Forget beats."""
        del self._weights[weights.place]

    def run(self, passes: Sequence[Pass]) -> Iterator[tuple[Beats, int]]:
        """Run passes, several at once; yields result beats and cycles of each.

        Raises
        ------
        DeviceError
            If the engine stops answering.
        """
        return self._pool.map(self._run, passes)

    def route(self, packet: Packet, word_limit: int, cycle_limit: int) -> list[int]:
        """Run a router command to its end; returns the words of its answer.

        Raises
        ------
        DeviceError
            If the router stops answering.
        """
        assert self._joint  # the driver asks for a router first
        return self._joint.route([packet], word_limit, cycle_limit)[0]

    def run_routed(self, product: Pass, scales: Beats, packet: Packet, word_limit: int) -> tuple[list[int], int]:
        """Run a pass whose results are the data of a router command; returns the answer's words, and cycles.

        Raises
        ------
        DeviceError
            If the accelerator stops answering.
        """
        assert self._joint
        return self._joint.run_routed(
            product, self._weights[product.weights.place], scales, packet, word_limit, self._traffic
        )

    def close(self) -> None:
        """Free the simulators."""
        self._pool.shutdown()
        while self._engines:
            self._engines.pop().close()
        if self._joint:
            self._joint.close()
            self._joint = None
        self._weights.clear()

    def _run(self, product: Pass) -> tuple[Beats, int]:
        """One pass, on a simulator that is free."""
        simulator = self._free.get()
        try:
            return simulator.run(product, self._weights[product.weights.place], self._traffic)
        finally:
            self._free.put(simulator)


def _engines(engine: EngineParameters, count: int, waveform: str | None) -> list[Simulator]:
    library = build_accelerator(engine, None, waveform)
    return [Simulator(library, engine, None, seed) for seed in range(count)]
