"""The driver hands a transport beats and makes results and counters of what comes back."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch

from formats.engine import EngineParameters
from formats.errors import DeviceError
from formats.router.descriptor import Command, Flag, KeyFormat, Opcode, RouterParameters
from sw_runtime.device.driver import Driver
from sw_runtime.device.layout import Beats
from sw_runtime.device.protocol import Counters, MatrixShape, Request
from sw_runtime.device.random_matrices import random_activations
from sw_runtime.device.transport import Packet, Pass, StoredWeights
from tests.sw_runtime.device.matrices import random_matrix

ENGINE = EngineParameters(("fp16",), port_bytes=16, batch=2, maximum_columns=64, maximum_rows=64)
ROUTER = RouterParameters(lanes=8, keys=112)


class Canned:
    """A transport without an accelerator: every result is 7, every command is answered with index 3."""

    def __init__(self) -> None:
        self.passes: list[Pass] = []
        self.packets: list[Packet] = []
        self.closed = False
        self.kept: list[Beats] = []

    def check_room(self, nbytes: int) -> None:
        if nbytes > 5_000:
            raise DeviceError(f"{nbytes} bytes do not fit")

    def load(self, beats: Beats, beat_bits: int) -> StoredWeights:
        self.kept.append(beats)
        return StoredWeights(len(self.kept), len(beats), len(beats) * beat_bits // 8)

    def unload(self, weights: StoredWeights) -> None:
        self.kept[weights.place - 1] = self.kept[weights.place - 1][:0]

    def run(self, passes: Sequence[Pass]) -> Iterator[tuple[Beats, int]]:
        for product in passes:
            self.passes.append(product)
            results = np.full((product.result_beats, ENGINE.results_per_beat), 7, dtype=np.int64)
            yield results.view(np.uint8), 100

    def route(self, packet: Packet, word_limit: int, cycle_limit: int) -> list[int]:
        self.packets.append(packet)
        return [3, 0, 0, packet.command.opcode, 1, 0, 55, 0]

    def run_routed(self, product: Pass, scales: Beats, packet: Packet, word_limit: int) -> tuple[list[int], int]:
        self.passes.append(product)
        return self.route(packet, word_limit, cycle_limit=0), 200

    def close(self) -> None:
        self.closed = True


def test_vectors_cross_in_passes_of_a_batch() -> None:
    transport = Canned()
    device = Driver("canned", transport, ENGINE)
    handle = device.load(random_matrix("fp16", 5, 20))
    results = device.matvec(handle, random_activations(5, 20, 16))
    assert torch.equal(results, torch.full((5, 5), 7))
    assert len(transport.passes) == 3
    weight_bytes = sum(product.weights.nbytes for product in transport.passes)
    beats = sum(product.weights.beats + len(product.activations) for product in transport.passes)
    counted = device.counters
    assert (counted.cycles, counted.port_busy_cycles, counted.weight_bytes) == (300, beats, weight_bytes)
    assert counted.result_bytes == 8 * 5 * 5


def test_a_router_command_crosses_as_a_packet() -> None:
    transport = Canned()
    device = Driver("canned", transport, ENGINE, ROUTER)
    command = Command(Opcode.LOAD, flags=Flag.DATA | KeyFormat.U24, n=9)
    (answer,) = device.route([Request(command, bytes(27))])
    assert answer.payload == (3, 0)
    assert [len(packet.beats) for packet in transport.packets] == [2]
    assert device.counters == Counters(router_cycles=55, router_bytes=20 + 27 + 2 * 8)


def test_a_routed_pass_brings_no_results_back() -> None:
    transport = Canned()
    device = Driver("canned", transport, ENGINE, ROUTER)
    handle = device.load(random_matrix("fp16", 5, 20))
    first = Command(Opcode.FIRST, flags=Flag.DATA | Flag.OUT | KeyFormat.S24, n=5)
    assert device.route_matvec(handle, random_activations(1, 20, 16), first).payload == (3, 0)
    assert transport.passes[0].result_beats == device.counters.result_bytes == 0
    assert device.counters.scale_bytes == 2 * 5


def test_closing_closes_the_transport() -> None:
    transport = Canned()
    Driver("canned", transport, ENGINE).close()
    assert transport.closed
    assert transport.passes == []


def test_unloading_gives_the_transport_its_room_back() -> None:
    transport = Canned()
    device = Driver("canned", transport, ENGINE)
    first, second = (device.load(random_matrix("fp16", rows, 20)) for rows in (5, 6))
    device.unload(first)
    assert [len(beats) for beats in transport.kept] == [0, 6 * 3]
    with pytest.raises(DeviceError, match="no matrix with handle 1 on this device; load it first"):
        device.unload(first)
    device.unload(second)


def test_room_is_asked_for_all_matrices_together() -> None:
    device = Driver("canned", Canned(), ENGINE)
    shape = MatrixShape("fp16", rows=8, columns=20)
    device.check_room([shape] * 10)
    with pytest.raises(DeviceError, match="5376 bytes do not fit"):
        device.check_room([shape] * 14)
