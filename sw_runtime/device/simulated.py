"""The accelerator itself, cycle by cycle: the Verilog that ships, compiled by Verilator."""

import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from formats.engine import EngineParameters
from formats.matrices import Matrix
from formats.router.answer import Answer
from formats.router.descriptor import Command, RouterParameters
from formats.weight_format import WeightFormat
from hw.engine.sequencer import command_layout
from hw.top import joint_command_layout
from sw_runtime.cores import cores
from sw_runtime.device.checks import check_activations, check_matrix
from sw_runtime.device.comparison import RowComparison, check_routed, compare_rows
from sw_runtime.device.layout import Beats, activation_beats, format_of, results_from_beats, weight_beats
from sw_runtime.device.loaded import LoadedMatrices
from sw_runtime.device.protocol import Counters, DeviceInfo, Request
from sw_runtime.device.routing import present, route, traffic_bytes
from sw_runtime.device.simulated_accelerator import SimulatedAccelerator
from sw_runtime.device.simulator.build import build_engine
from sw_runtime.device.simulator.library import Simulator, Traffic


@dataclass(frozen=True)
class _LoadedMatrix:
    weight_format: WeightFormat
    beats: Beats
    matrix: Matrix

    @cached_property
    def comparison(self) -> RowComparison:
        """How its rows compare; few matrices are ever routed, and this decodes all weights."""
        return compare_rows(self.matrix, self.matrix.integers())


class SimulatedDevice:
    """A device whose every cycle is simulated.

    Passes over the weights are independent of each other, so several run at once, one simulator a
    core; the counters add up as on the one device they stand for. What meets the router runs in one
    more, of engine and router together: the router remembers, and at rest it would slow the others.

    Parameters
    ----------
    parameters
        The engine to simulate.
    traffic
        Pauses of the memory and of the host; an ideal memory when not given.
    simulators
        Simulators of the engine to run side by side; 0 takes one a core.
    router
        The token router to simulate; none when not given.

    Raises
    ------
    RuntimeError
        If the simulator cannot be built.
    """

    def __init__(
        self,
        parameters: EngineParameters,
        traffic: Traffic | None = None,
        simulators: int = 0,
        router: RouterParameters | None = None,
    ) -> None:
        library = build_engine(parameters)
        self.counters = Counters()
        self._parameters = parameters
        self._router_parameters = router
        self._router = SimulatedAccelerator(parameters, router) if router else None
        self._traffic = traffic or Traffic()
        count = simulators or cores()
        self._all = [Simulator(library, parameters, seed) for seed in range(count)]
        self._free: queue.SimpleQueue[Simulator] = queue.SimpleQueue()
        for simulator in self._all:
            self._free.put(simulator)
        self._pool = ThreadPoolExecutor(count)
        self._matrices: LoadedMatrices[_LoadedMatrix] = LoadedMatrices()

    @property
    def parameters(self) -> EngineParameters:
        """The engine that is simulated."""
        return self._parameters

    def info(self) -> DeviceInfo:
        """What the device can take."""
        p = self._parameters
        size = (p.maximum_columns, p.maximum_rows)
        return DeviceInfo("simulated", p.formats, p.activation_bits, p.batch, *size, self._router_parameters)

    def load(self, matrix: Matrix) -> int:
        """Lay a matrix out in beats and return its handle.

        Raises
        ------
        ValueError
            If the device does not take the format or the matrix is too large, naming the limit.
        """
        check_matrix(self.info(), matrix)
        beats = weight_beats(matrix, self._parameters)
        return self._matrices.add(_LoadedMatrix(format_of(matrix, self._parameters), beats, matrix))

    def matvec(self, handle: int, activations: Tensor) -> Tensor:
        """Multiply: int64 [vectors, columns] → exact int64 [vectors, rows].

        Raises
        ------
        ValueError
            If the handle is unknown, the shape or dtype wrong or an activation does not fit its bits.
        RuntimeError
            If the engine stops answering.
        """
        loaded = self._matrices[handle]
        check_activations(self.info(), activations, loaded.matrix.columns)
        if not len(activations):
            return torch.zeros(0, loaded.matrix.rows, dtype=torch.int64)
        batch = self._parameters.batch
        passes = [activations[first : first + batch] for first in range(0, len(activations), batch)]
        results = []
        for result, counters in self._pool.map(lambda vectors: self._run(loaded, vectors), passes):
            results.append(result)
            self.counters += counters
        return torch.cat(results)

    def route_matvec(self, handle: int, activations: Tensor, command: Command) -> Answer:
        """Multiply by one vector, int64 [1, columns]; the results become the data of a router command.

        Raises
        ------
        ValueError
            If the device has no router, the handle is unknown, the activations are no such vector or
            the command is none that may take results.
        RuntimeError
            If the accelerator stops answering.
        """
        router, loaded = present(self._router), self._matrices[handle]
        check_activations(self.info(), activations, loaded.matrix.columns)
        check_routed(command, loaded.matrix.rows, len(activations))
        fields = {
            "product": self._command(loaded, vectors=1),
            "routed": 1,
            "routing": {
                "format": self._parameters.weight_formats.index(loaded.weight_format),
                "rows": loaded.matrix.rows,
                "exponent": loaded.comparison.exponent(activations[0]),
            },
        }
        product = joint_command_layout(self._parameters).const(fields).as_value().value
        inputs = activation_beats(activations, loaded.weight_format, self._parameters)
        scales = loaded.comparison.bfloat16_scales().view(torch.uint8).view(loaded.matrix.rows, -1).numpy()
        answer, cycles = router.execute_product(
            product, command, np.concatenate([inputs, loaded.beats]), scales, self._traffic
        )
        self.counters += Counters(
            cycles=cycles,
            port_busy_cycles=len(inputs) + len(loaded.beats),
            weight_bytes=loaded.beats.nbytes,
            activation_bytes=inputs.nbytes,
            scale_bytes=scales.nbytes,
            router_bytes=traffic_bytes(answer),
        )
        return answer

    def unload(self, handle: int) -> None:
        """Forget a matrix.

        Raises
        ------
        ValueError
            If the handle is unknown.
        """
        self._matrices.remove(handle)

    def route(self, requests: Sequence[Request]) -> list[Answer]:
        """Run commands on the simulated router, in order.

        Raises
        ------
        ValueError
            If the device has no router.
        RuntimeError
            If the router stops answering.
        """
        answers, cost = route(present(self._router), requests)
        self.counters += cost
        return answers

    def close(self) -> None:
        """Free the simulators and forget all matrices."""
        self._pool.shutdown()
        while self._all:
            self._all.pop().close()
        if self._router:
            self._router.close()
            self._router = None
        self._matrices.clear()

    def _command(self, loaded: _LoadedMatrix, vectors: int) -> dict[str, int]:
        """Fields of a pass's command."""
        parameters, weight_format = self._parameters, loaded.weight_format
        return {
            "format": parameters.weight_formats.index(weight_format),
            "column_blocks": weight_format.blocks(loaded.matrix.columns) - 1,
            "row_groups": parameters.row_groups(weight_format, loaded.matrix.rows) - 1,
            "vectors": vectors - 1,
        }

    def _run(self, loaded: _LoadedMatrix, activations: Tensor) -> tuple[Tensor, Counters]:
        """One pass over the weights."""
        parameters, weight_format = self._parameters, loaded.weight_format
        vectors = len(activations)
        groups = parameters.row_groups(weight_format, loaded.matrix.rows)
        command = command_layout(parameters).const(self._command(loaded, vectors))
        inputs = activation_beats(activations, weight_format, parameters)
        result_beats = groups * vectors * parameters.result_beats(weight_format)
        simulator = self._free.get()
        try:
            beats, cycles = simulator.run(command.as_value().value, inputs, loaded.beats, result_beats, self._traffic)
        finally:
            self._free.put(simulator)
        counters = Counters(
            cycles=cycles,
            port_busy_cycles=len(inputs) + len(loaded.beats),
            weight_bytes=loaded.beats.nbytes,
            activation_bytes=inputs.nbytes,
            result_bytes=8 * vectors * loaded.matrix.rows,
        )
        return results_from_beats(beats, weight_format, parameters, loaded.matrix.rows, vectors), counters
