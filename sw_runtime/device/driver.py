"""The host's side of every accelerator that is not emulated: beats and commands in, results and counters out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from formats.engine import RESULT_BITS, EngineParameters
from formats.matrices import Matrix
from formats.router.answer import Answer
from formats.router.descriptor import Command, RouterParameters
from formats.weight_format import WeightFormat
from hw.engine.sequencer import command_layout
from hw.top import joint_command_layout
from sw_runtime.device.checks import check_activations, check_matrix
from sw_runtime.device.comparison import RowComparison, check_routed, compare_rows
from sw_runtime.device.layout import activation_beats, format_of, results_from_beats, stored_bytes, weight_beats
from sw_runtime.device.loaded import LoadedMatrices
from sw_runtime.device.protocol import Counters, DeviceInfo, MatrixShape, Request
from sw_runtime.device.rounding import check_result_bits, largest_norm, places_of
from sw_runtime.device.router_driver import ROUTED_WORDS, RouterDriver, answer_of
from sw_runtime.device.routing import present, route, traffic_bytes
from sw_runtime.device.transport import Packet, Pass, StoredWeights, Transport
from sw_runtime.device.turns import Turns, in_turn, last_turn


@dataclass(frozen=True)
class _LoadedMatrix:
    weight_format: WeightFormat
    weights: StoredWeights
    matrix: Matrix

    @cached_property
    def row_norm(self) -> float:
        """Of the results' bound; asked for only where results are rounded, and this decodes all weights."""
        return largest_norm(self.matrix.integers())

    @cached_property
    def comparison(self) -> RowComparison:
        """How its rows compare; few matrices are ever routed, and this decodes all weights."""
        return compare_rows(self.matrix, self.matrix.integers())


class Driver:
    """A ``Device`` over a transport: all that a simulated accelerator and one on a board have in common.

    Parameters
    ----------
    name
        What the device calls itself.
    transport
        Carries beats to the accelerator; the driver closes it. An attribute, for who tries more than a driver does.
    parameters
        The accelerator's engine.
    router
        Its token router; None where it has none.
    result_bits
        Of a result as the transport brings it: 64, exact, or 24, rounded.

    Raises
    ------
    InputError
        If there are no results of so many bits.
    """

    def __init__(
        self,
        name: str,
        transport: Transport,
        parameters: EngineParameters,
        router: RouterParameters | None = None,
        result_bits: int = RESULT_BITS,
    ) -> None:
        check_result_bits(result_bits)
        self._result_bits = result_bits
        self.counters = Counters()
        self._turns = Turns()
        self._name = name
        self.transport = transport
        self._parameters = parameters
        self._router_parameters = router
        self._router = RouterDriver(transport, router) if router else None
        self._matrices: LoadedMatrices[_LoadedMatrix] = LoadedMatrices()

    @property
    def parameters(self) -> EngineParameters:
        """The accelerator's engine."""
        return self._parameters

    def info(self) -> DeviceInfo:
        """What the device can take."""
        p = self._parameters
        size = (p.maximum_columns, p.maximum_rows)
        return DeviceInfo(self._name, p.formats, p.activation_bits, p.batch, *size, self._router_parameters)

    @in_turn
    def check_room(self, shapes: Sequence[MatrixShape]) -> None:
        """Refuse matrices that the accelerator's memory does not hold all together, beside those it has.

        Raises
        ------
        DeviceError
            If they do not fit, by how many bytes.
        """
        self.transport.check_room(sum(stored_bytes(shape, self._parameters) for shape in shapes))

    @in_turn
    def load(self, matrix: Matrix) -> int:
        """Lay a matrix out in beats, have the transport keep them, and return its handle.

        Raises
        ------
        DeviceError
            If the device does not take the format, the matrix is too large, naming the limit, or there is no
            room for it.
        """
        check_matrix(self.info(), matrix)
        weight_format = format_of(matrix, self._parameters)
        beats = weight_beats(matrix, self._parameters)
        weights = self.transport.load(beats, self._parameters.beat_bits(weight_format))
        return self._matrices.add(_LoadedMatrix(weight_format, weights, matrix))

    @in_turn
    def matvec(self, handle: int, activations: Tensor) -> Tensor:
        """Multiply: int64 [vectors, columns] → int64 [vectors, rows], exact but where the device rounds.

        Raises
        ------
        DeviceError
            If the handle is unknown, the shape or dtype wrong, an activation does not fit its bits, or the
            engine stops answering.
        """
        loaded = self._matrices[handle]
        check_activations(self.info(), activations, loaded.matrix.columns)
        if not len(activations):
            return torch.zeros(0, loaded.matrix.rows, dtype=torch.int64)
        batch = self._parameters.batch
        batches = [activations[first : first + batch] for first in range(0, len(activations), batch)]
        passes = [self._pass(loaded, vectors) for vectors in batches]
        results = []
        for vectors, product, (beats, cycles) in zip(batches, passes, self.transport.run(passes), strict=True):
            size = (loaded.matrix.rows, len(vectors))
            results.append(results_from_beats(beats, loaded.weight_format, self._parameters, *size))
            self.counters += _moved(product, cycles) + Counters(result_bytes=self._result_bits * size[0] * size[1] // 8)
        return torch.cat(results)

    @in_turn
    def route_matvec(self, handle: int, activations: Tensor, command: Command) -> Answer:
        """Multiply by one vector, int64 [1, columns]; the results become the data of a router command.

        Raises
        ------
        DeviceError
            If the device has no router, the handle is unknown, the activations are no such vector, the
            command is none that may take results, or the accelerator stops answering.
        """
        present(self._router)
        loaded = self._matrices[handle]
        check_activations(self.info(), activations, loaded.matrix.columns)
        check_routed(command, loaded.matrix.rows, len(activations))
        product = self._routed_pass(loaded, activations)
        scales = loaded.comparison.bfloat16_scales().view(torch.uint8).view(loaded.matrix.rows, -1).numpy()
        words, cycles = self.transport.run_routed(product, scales, Packet(command), ROUTED_WORDS)
        answer, _ = answer_of(words)
        self.counters += _moved(product, cycles)
        self.counters += Counters(scale_bytes=scales.nbytes, router_bytes=traffic_bytes(answer))
        return answer

    @in_turn
    def unload(self, handle: int) -> None:
        """Forget a matrix.

        Raises
        ------
        DeviceError
            If the handle is unknown.
        """
        self.transport.unload(self._matrices[handle].weights)
        self._matrices.remove(handle)

    @in_turn
    def route(self, requests: Sequence[Request]) -> list[Answer]:
        """Run commands on the accelerator's router, in order.

        Raises
        ------
        DeviceError
            If the device has no router, or the router stops answering.
        """
        answers, cost = route(present(self._router), requests)
        self.counters += cost
        return answers

    @last_turn
    def close(self) -> None:
        """Close the transport and forget all matrices."""
        self.transport.close()
        self._matrices.clear()

    def _fields(self, loaded: _LoadedMatrix, vectors: int) -> dict[str, int]:
        """Fields of a pass's command."""
        parameters, weight_format = self._parameters, loaded.weight_format
        return {
            "format": parameters.weight_formats.index(weight_format),
            "column_blocks": weight_format.blocks(loaded.matrix.columns) - 1,
            "row_groups": parameters.row_groups(weight_format, loaded.matrix.rows) - 1,
            "vectors": vectors - 1,
        }

    def _pass(self, loaded: _LoadedMatrix, activations: Tensor) -> Pass:
        """A pass whose results come back."""
        parameters, weight_format, vectors = self._parameters, loaded.weight_format, len(activations)
        command = command_layout(parameters).const(self._fields(loaded, vectors)).as_value().value
        groups = parameters.row_groups(weight_format, loaded.matrix.rows)
        result_beats = groups * vectors * parameters.result_beats(weight_format)
        places = None if self._result_bits == RESULT_BITS else places_of(loaded.row_norm, activations)
        beats = activation_beats(activations, weight_format, parameters)
        return Pass(command, beats, loaded.weights, result_beats, places)

    def _routed_pass(self, loaded: _LoadedMatrix, activations: Tensor) -> Pass:
        """A pass of one vector whose results become keys."""
        parameters, weight_format = self._parameters, loaded.weight_format
        fields = {
            "product": self._fields(loaded, vectors=1),
            "routed": 1,
            "routing": {
                "format": parameters.weight_formats.index(weight_format),
                "rows": loaded.matrix.rows,
                "exponent": loaded.comparison.exponent(activations[0]),
            },
        }
        command = joint_command_layout(parameters).const(fields).as_value().value
        return Pass(command, activation_beats(activations, weight_format, parameters), loaded.weights)


def _moved(product: Pass, cycles: int) -> Counters:
    """What a pass took from the memory port, in how many cycles."""
    return Counters(
        cycles=cycles,
        port_busy_cycles=len(product.activations) + product.weights.beats,
        weight_bytes=product.weights.nbytes,
        activation_bytes=product.activations.nbytes,
    )
