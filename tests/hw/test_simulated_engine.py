"""Any shape, format and traffic on a wide port: beats hold several blocks of activations, lanes leave gaps."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.engine import EngineParameters
from golden_models.seedlm.datapath import matvec
from sw_runtime.device.driver import Driver
from sw_runtime.device.simulated import simulated_device
from sw_runtime.device.simulator.library import Traffic
from tests.hw.products import random_activations, random_matrix

WIDE = EngineParameters(
    ("scaled-2bit", "fp16", "paper-4bit", "trellis-4bit", "trellis-3bit", "trellis-2.5bit"),
    port_bytes=32,
    lanes=3,
    activation_bits=8,
    batch=3,
    maximum_columns=400,
)

TRAFFIC = (Traffic(), Traffic(memory=0.3), Traffic(results=0.1), Traffic(memory=0.7, results=0.5))


@pytest.fixture(scope="module")
def devices() -> Iterator[list[Driver]]:
    """The same engine under different traffic."""
    opened = [simulated_device(WIDE, traffic, simulators=1) for traffic in TRAFFIC]
    yield opened
    for device in opened:
        device.close()


@settings(max_examples=200, deadline=None)
@given(
    traffic=st.integers(0, len(TRAFFIC) - 1),
    name=st.sampled_from(WIDE.formats),
    rows=st.integers(1, 40),
    columns=st.integers(1, WIDE.maximum_columns),
    vectors=st.integers(1, 2 * WIDE.batch),
    seed=st.integers(0, 1 << 20),
)
def test_results_equal_the_golden_model(
    devices: list[Driver], traffic: int, name: str, rows: int, columns: int, vectors: int, seed: int
) -> None:
    device = devices[traffic]
    torch.manual_seed(seed)
    matrix = random_matrix(WIDE, name, rows, columns)
    activations = random_activations(vectors, columns, WIDE.activation_bits)
    handle = device.load(matrix)
    assert torch.equal(device.matvec(handle, activations), matvec(matrix, activations))
    device.unload(handle)
