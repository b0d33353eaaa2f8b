"""The accelerator's integers at the speed of a matrix library: exact products out of float64 arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from formats.engine import RESULT_BITS, EngineParameters, format_names
from formats.matrices import Matrix
from formats.router.answer import Answer
from formats.router.descriptor import Command, RouterParameters
from formats.router.stream import to_bytes
from formats.weight_format import WeightFormat
from sw_runtime.device.checks import check_activations, check_matrix
from sw_runtime.device.comparison import RowComparison, check_routed, compare_rows, product_keys
from sw_runtime.device.cost import pass_cost, routed_cost
from sw_runtime.device.layout import format_of
from sw_runtime.device.loaded import LoadedMatrices
from sw_runtime.device.protocol import Counters, DeviceInfo, MatrixShape, Request
from sw_runtime.device.rounding import check_result_bits, largest_norm, places_of, without_places
from sw_runtime.device.routing import EmulatedRouter, present, route, traffic_bytes
from sw_runtime.device.turns import Turns, in_turn, last_turn

EXACT_BITS = 53
"""Float64 holds every integer of at most this many bits, so sums below ``2^53`` never round."""


@dataclass(frozen=True)
class _LoadedMatrix:
    """Integer weights ready to multiply.

    Parameters
    ----------
    weight_format
        How the engine holds them.
    weights
        float64 [rows, columns], every value an integer.
    digit_bits
        Bits of an activation that one product takes without any sum passing ``2^53``.
    comparison
        How its rows compare; None on a device without a router.
    """

    weight_format: WeightFormat
    weights: Tensor
    digit_bits: int
    comparison: RowComparison | None

    @cached_property
    def row_norm(self) -> float:
        """Of the results' bound, where they are rounded."""
        return largest_norm(self.weights)


class EmulatedDevice:
    """A device without hardware: answers with exactly the golden datapath's integers.

    Weights are decoded once, at load, and kept as float64 (8 bytes per weight). An activation is cut
    into as many digits as the matrix needs for exact float64 sums: one for almost every real
    matrix, a few where a row's magnitudes add up to more than ``2^37``.

    Parameters
    ----------
    parameters
        The engine it stands for: what it takes, and what a pass costs in the counters. When not given, one
        that takes every format and every size.
    router
        Its token router; none when not given.
    result_bits
        Of a result: 64, exact, or 24, rounded as a board rounds those of a pass.

    Raises
    ------
    InputError
        If there are no results of so many bits.
    """

    def __init__(
        self,
        parameters: EngineParameters | None = None,
        router: RouterParameters | None = None,
        result_bits: int = RESULT_BITS,
    ) -> None:
        check_result_bits(result_bits)
        self._result_bits = result_bits
        self.counters = Counters()
        self._turns = Turns()
        self._parameters = parameters or EngineParameters(format_names(), maximum_columns=1 << 15, maximum_rows=1 << 20)
        self._router_parameters = router
        self._router = EmulatedRouter(router) if router else None
        self._matrices: LoadedMatrices[_LoadedMatrix] = LoadedMatrices()

    @property
    def parameters(self) -> EngineParameters:
        """The engine that is emulated."""
        return self._parameters

    def info(self) -> DeviceInfo:
        """What the device can take."""
        p = self._parameters
        size = (p.maximum_columns, p.maximum_rows)
        return DeviceInfo("emulated", p.formats, p.activation_bits, p.batch, *size, self._router_parameters)

    def check_room(self, shapes: Sequence[MatrixShape]) -> None:
        """The host's memory is the limit."""

    @in_turn
    def load(self, matrix: Matrix) -> int:
        """Decode a matrix and return its handle.

        Raises
        ------
        DeviceError
            If the device does not take the format or the matrix is too large, naming the limit.
        """
        check_matrix(self.info(), matrix)
        weights = matrix.integers().double()
        # Bound: |sum w·x| <= sum |w| · max |x|, and so is every partial sum, in whatever order it is formed.
        row_bound = int(torch.linalg.vector_norm(weights, ord=1, dim=1).max())
        digit_bits = min(self._parameters.activation_bits, EXACT_BITS - row_bound.bit_length())
        comparison = compare_rows(matrix, weights) if self._router else None
        return self._matrices.add(_LoadedMatrix(format_of(matrix, self._parameters), weights, digit_bits, comparison))

    @in_turn
    def matvec(self, handle: int, activations: Tensor) -> Tensor:
        """Multiply: int64 [vectors, columns] → int64 [vectors, rows], exact but where the device rounds.

        Raises
        ------
        DeviceError
            If the handle is unknown, the shape or dtype wrong or an activation does not fit its bits.
        """
        loaded = self._matrices[handle]
        check_activations(self.info(), activations, loaded.weights.shape[1])
        self._count(loaded, len(activations))
        sums = self._multiply(loaded, activations)
        return sums if self._result_bits == RESULT_BITS else self._rounded(loaded, activations, sums)

    @in_turn
    def route_matvec(self, handle: int, activations: Tensor, command: Command) -> Answer:
        """Multiply by one vector, int64 [1, columns]; the results become the data of a router command.

        Raises
        ------
        DeviceError
            If the device has no router, the handle is unknown, the activations are no such vector or
            the command is none that may take results.
        """
        router, loaded = present(self._router), self._matrices[handle]
        rows, columns = loaded.weights.shape
        check_activations(self.info(), activations, columns)
        check_routed(command, rows, len(activations))
        assert loaded.comparison  # every matrix of a device with a router has one
        scales, exponent = loaded.comparison.bfloat16_scales(), loaded.comparison.exponent(activations[0])
        keys = product_keys(self._multiply(loaded, activations)[0], scales, exponent)
        answer, _ = router.execute(Request(command, to_bytes(keys.tolist(), command)))
        self.counters += routed_cost(self._parameters, loaded.weight_format, rows, columns)
        self.counters += Counters(router_bytes=traffic_bytes(answer))
        return answer

    def _multiply(self, loaded: _LoadedMatrix, activations: Tensor) -> Tensor:
        """Exact sums, int64 [vectors, rows]."""
        bits, digit_bits = self._parameters.activation_bits, loaded.digit_bits
        results = torch.zeros(len(activations), len(loaded.weights), dtype=torch.int64)
        for position in range(0, bits, digit_bits):
            digits = activations >> position  # the top digit keeps the sign
            if position + digit_bits < bits:
                digits = digits & ((1 << digit_bits) - 1)
            results += (digits.double() @ loaded.weights.T).long() << position
        return results

    def _rounded(self, loaded: _LoadedMatrix, activations: Tensor, sums: Tensor) -> Tensor:
        """Sums as a board hands them over: those of a pass lose as many bits."""
        batch, parts = self._parameters.batch, []
        for first in range(0, len(sums), batch):
            places = places_of(loaded.row_norm, activations[first : first + batch])
            parts.append(without_places(sums[first : first + batch], places))
        return torch.cat(parts) if parts else sums

    @in_turn
    def unload(self, handle: int) -> None:
        """Forget a matrix.

        Raises
        ------
        DeviceError
            If the handle is unknown.
        """
        self._matrices.remove(handle)

    @in_turn
    def route(self, requests: Sequence[Request]) -> list[Answer]:
        """Run commands on the emulated router, in order.

        Raises
        ------
        DeviceError
            If the device has no router.
        """
        answers, cost = route(present(self._router), requests)
        self.counters += cost
        return answers

    @last_turn
    def close(self) -> None:
        """Forget all matrices."""
        self._matrices.clear()

    def _count(self, loaded: _LoadedMatrix, vectors: int) -> None:
        """Add what the passes over the weights would cost the engine."""
        batch, (rows, columns) = self._parameters.batch, loaded.weights.shape
        for first in range(0, vectors, batch):
            together = min(batch, vectors - first)
            cost = pass_cost(self._parameters, loaded.weight_format, rows, columns, together)
            self.counters += replace(cost, result_bytes=self._result_bits * rows * together // 8)
