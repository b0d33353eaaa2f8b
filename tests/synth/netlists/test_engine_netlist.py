"""A whole engine as the cells of an ECP5: products of a real layer, bit for bit and cycle for cycle."""

from collections.abc import Iterator

import pytest
import torch

from formats.engine import EngineParameters
from formats.matrices import Matrix
from sw_runtime.device.protocol import Device
from sw_runtime.device.random_matrices import random_activations
from sw_runtime.device.simulated import simulated_device
from sw_runtime.device.simulator import transport
from tests.synth.netlists.cells import build_cells
from tests.synth.netlists.real_layer import MATRICES, real_matrix

ENGINE = EngineParameters(("scaled-4bit", "trellis-3bit"), port_bytes=4, maximum_columns=2048, multiplier_bits=18)


@pytest.fixture(scope="module")
def devices() -> Iterator[tuple[Device, Device]]:
    """The hardware, and its cells."""
    hardware = simulated_device(ENGINE, simulators=1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(transport, "build_accelerator", build_cells)
        cells = simulated_device(ENGINE, simulators=1)
    yield hardware, cells
    hardware.close()
    cells.close()


def check(devices: tuple[Device, Device], matrix: Matrix) -> None:
    """Both multiply alike, as integers of any size do, in the same cycles."""
    activations = random_activations(1, matrix.columns, ENGINE.activation_bits)
    results, cycles = [], []
    for device in devices:
        before = device.counters
        handle = device.load(matrix)
        results.append(device.matvec(handle, activations))
        device.unload(handle)
        cycles.append((device.counters - before).cycles)
    assert cycles[0] == cycles[1] > 0
    for found in results:
        torch.testing.assert_close(found, activations @ matrix.integers().long().T, rtol=0, atol=0)


@pytest.mark.soak
@pytest.mark.parametrize("weight_format", ENGINE.formats)
@pytest.mark.parametrize("name", MATRICES)
def test_cells_of_an_engine_multiply_a_real_layer(
    devices: tuple[Device, Device], name: str, weight_format: str
) -> None:
    check(devices, real_matrix(name, weight_format))
