"""The simulated device answers like the golden datapath and costs what the cost model says."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formats.engine import EngineParameters
from formats.errors import InputError
from golden_models.seedlm.datapath import matvec
from sw_runtime.device import simulated
from sw_runtime.device.cost import pass_cost
from sw_runtime.device.driver import Driver
from sw_runtime.device.protocol import Counters
from sw_runtime.device.random_matrices import random_activations
from sw_runtime.device.simulated import simulated_device
from sw_runtime.device.simulator.library import Traffic
from tests.sw_runtime.device.matrices import random_matrix

MIXED = EngineParameters(
    ("scaled-4bit", "paper-3bit", "scaled-2bit", "fp16"),
    port_bytes=16,
    batch=2,
    maximum_columns=200,
    maximum_rows=120,
)
NARROW = EngineParameters(
    ("scaled-3bit", "fp16"), port_bytes=4, activation_bits=8, maximum_columns=200, maximum_rows=120
)

shapes = st.tuples(st.integers(1, 120), st.integers(1, 200))


@pytest.fixture(scope="module", params=[MIXED, NARROW], ids=["mixed", "narrow"])
def device(request: pytest.FixtureRequest) -> Iterator[Driver]:
    opened = simulated_device(request.param)
    yield opened
    opened.close()


@given(shape=shapes, position=st.integers(0, 3), vectors=st.integers(1, 5), seed=st.integers(0, 1 << 20))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_results_and_counters_are_exact(
    device: Driver, shape: tuple[int, int], position: int, vectors: int, seed: int
) -> None:
    parameters = device.parameters
    name = parameters.formats[position % len(parameters.formats)]
    matrix = random_matrix(name, *shape, seed)
    activations = random_activations(vectors, shape[1], parameters.activation_bits, seed)
    handle, before = device.load(matrix), replace(device.counters)

    assert torch.equal(device.matvec(handle, activations), matvec(matrix, activations))

    weight_format = parameters.weight_formats[parameters.formats.index(name)]
    passes = [min(parameters.batch, vectors - first) for first in range(0, vectors, parameters.batch)]
    expected = sum((pass_cost(parameters, weight_format, *shape, v) for v in passes), Counters())
    assert device.counters - before == expected
    device.unload(handle)


@pytest.mark.parametrize("traffic", [Traffic(memory=0.5), Traffic(results=0.3), Traffic(0.1, 0.05)])
def test_pauses_of_memory_and_host_change_no_result(traffic: Traffic) -> None:
    device = simulated_device(MIXED, traffic)
    for name in MIXED.formats:
        for shape in ((1, 1), (120, 8), (33, 200)):
            matrix, activations = random_matrix(name, *shape), random_activations(3, shape[1], 16)
            assert torch.equal(device.matvec(device.load(matrix), activations), matvec(matrix, activations))
    device.close()


def test_a_memory_that_pauses_costs_cycles_and_moves_the_same_bytes() -> None:
    spent = []
    for traffic in (Traffic(), Traffic(memory=0.5)):
        device = simulated_device(MIXED, traffic)
        device.matvec(device.load(random_matrix("scaled-4bit", 120, 200)), random_activations(1, 200, 16))
        spent.append(device.counters)
        device.close()
    assert spent[1].cycles > 1.5 * spent[0].cycles
    assert replace(spent[1], cycles=spent[0].cycles) == spent[0]


def test_no_vectors_give_no_results(device: Driver) -> None:
    handle = device.load(random_matrix(device.parameters.formats[0], 5, 7))
    assert device.matvec(handle, torch.zeros(0, 7, dtype=torch.int64)).shape == (0, 5)


def test_an_unknown_handle_is_refused(device: Driver) -> None:
    for call in (lambda: device.matvec(-1, torch.zeros(1, 1, dtype=torch.int64)), lambda: device.unload(-1)):
        with pytest.raises(ValueError, match="no matrix with handle -1 on this device; load it first"):
            call()


def test_a_format_without_lanes_is_refused(device: Driver) -> None:
    with pytest.raises(ValueError, match="the device does not take paper-4bit; it takes "):
        device.load(random_matrix("paper-4bit", 1, 8))


def test_a_matrix_that_is_too_large_is_refused(device: Driver) -> None:
    with pytest.raises(ValueError, match=r"\[1, 201\] is larger than the device's maximum \[120, 200\]"):
        device.load(random_matrix(device.parameters.formats[0], 1, 201))


def test_shares_of_traffic_outside_their_range_are_refused() -> None:
    with pytest.raises(ValueError, match="memory must be above 0 and at most 1, not 0"):
        Traffic(memory=0)
    with pytest.raises(ValueError, match=r"results must be above 0 and at most 1, not 1\.5"):
        Traffic(results=1.5)


@pytest.mark.parametrize("share", ["half", None, True])
def test_a_share_that_is_no_number_is_refused(share: Any) -> None:
    with pytest.raises(InputError, match=f"memory must be int or float, not {share!r}"):
        Traffic(memory=share)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"simulators": -3}, "simulators must be 0 to 1024, not -3"),
        ({"simulators": 1.5}, r"simulators must be an integer, 0 to 1024, not 1\.5"),
        ({"simulators": 10**9}, "simulators must be 0 to 1024, not 1000000000"),
        ({"traffic": "slow"}, "traffic must be Traffic, not 'slow'"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_before_anything_is_built(
    options: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(simulated, "VerilatorTransport")
    with pytest.raises(InputError, match=f"^{said}$"):
        simulated_device(MIXED, **options)
