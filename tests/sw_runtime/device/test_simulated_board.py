"""A simulated board answers like the golden datapath, costs what the model says, and says what does not fit."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import seedloom
from formats.errors import DeviceError, InputError
from golden_models.seedlm.datapath import matvec
from sw_runtime.device.board.cost import board_cost, most_error
from sw_runtime.device.board.workspace import Workspace
from sw_runtime.device.driver import Driver
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.device.protocol import MatrixShape
from sw_runtime.device.random_matrices import random_activations
from sw_runtime.device.simulated_board import simulated_board
from tests.hw.board.boards import BOARD, ENGINE, NAME
from tests.sw_runtime.device.matrices import random_matrix

PRODUCTS = given(
    shape=st.tuples(st.integers(1, 100), st.integers(1, 200)),
    name=st.sampled_from(ENGINE.formats),
    seed=st.integers(0, 1 << 20),
)
"""Matrices of any shape and format."""

SHAPES = ((576, 576), (192, 576))
"""SmolLM2-135M: q and o, k and v."""


@pytest.fixture(scope="module")
def device() -> Iterator[Driver]:
    opened = simulated_board(NAME, ENGINE)
    yield opened
    opened.close()


@PRODUCTS
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_results_are_exact_and_counters_as_the_model_says(
    device: Driver, shape: tuple[int, int], name: str, seed: int
) -> None:
    matrix, activations = random_matrix(name, *shape, seed), random_activations(2, shape[1], 16, seed)
    handle, before = device.load(matrix), replace(device.counters)
    assert torch.equal(device.matvec(handle, activations), matvec(matrix, activations))
    spent, weight_format = device.counters - before, BOARD.engine.weight_formats[ENGINE.formats.index(name)]
    once = board_cost(BOARD, weight_format, *shape, vectors=1)
    twice = once + once
    assert replace(spent, cycles=twice.cycles) == twice
    assert abs(spent.cycles - twice.cycles) <= 2 * most_error(once.cycles, weight_format.blocks(shape[1]))
    device.unload(handle)


@PRODUCTS
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rounded_results_are_those_of_the_emulated_device(
    device: Driver, shape: tuple[int, int], name: str, seed: int
) -> None:
    matrix, activations = random_matrix(name, *shape, seed), random_activations(3, shape[1], 16, seed)
    rounding = Driver("rounding", device.transport, device.parameters, result_bits=24)
    emulated = EmulatedDevice(device.parameters, result_bits=24)
    handle = rounding.load(matrix)
    assert torch.equal(rounding.matvec(handle, activations), emulated.matvec(emulated.load(matrix), activations))
    assert rounding.counters.result_bytes == emulated.counters.result_bytes == 3 * 3 * shape[0]
    rounding.unload(handle)


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
@pytest.mark.parametrize("name", ["scaled-4bit", "scaled-2bit"])
def test_a_whole_matrix_moves_at_97_percent_of_the_chips_peak(
    device: Driver, name: str, rows: int, columns: int
) -> None:
    matrix, activations = random_matrix(name, rows, columns), random_activations(1, columns, 16)
    handle, before = device.load(matrix), replace(device.counters)
    assert torch.equal(device.matvec(handle, activations), matvec(matrix, activations))
    spent = device.counters - before
    moved = spent.weight_bytes + spent.activation_bytes + spent.result_bytes
    assert moved / (BOARD.memory.data_bits // 8) >= 0.97 * spent.cycles
    device.unload(handle)


def test_what_does_not_fit_is_refused_by_how_much_before_it_is_loaded(device: Driver) -> None:
    shape = MatrixShape("scaled-4bit", rows=49_152, columns=576)
    device.check_room([shape] * 4)
    free = BOARD.memory.size_bytes - Workspace.of(BOARD.engine).end
    message = f"too small by {70_778_880 - free:,} bytes: 70,778,880 are needed, {free:,} of 67,108,864 are free"
    with pytest.raises(DeviceError, match=message):
        device.check_room([shape] * 5)


def test_a_board_that_nobody_knows_is_refused() -> None:
    message = "no board 'ulx4s'; choose from ulx3s-32mb, ulx3s-64mb, orangecrab, ecpix5"
    with pytest.raises(InputError, match=message):
        seedloom.open_device("simulated-board:ulx4s", parameters=ENGINE)


def test_a_board_needs_a_name() -> None:
    with pytest.raises(
        InputError, match=r"missing a required argument: 'place'; the place is what follows a colon, as in"
    ):
        seedloom.open_device("simulated-board", parameters=ENGINE)


def test_a_device_that_has_no_place_is_refused_one() -> None:
    with pytest.raises(InputError, match="device 'emulated:somewhere' cannot be opened with these options: got an un"):
        seedloom.open_device("emulated:somewhere")
