"""A simulated board with DDR3 memory answers as the emulated device, and keeps what is written anywhere."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

import seedloom
from formats.engine import EngineParameters
from formats.errors import DependencyError
from sw_runtime.device.board.cost import board_cost, most_error
from sw_runtime.device.board.memory import download, upload
from sw_runtime.device.board.transport import BoardTransport
from sw_runtime.device.driver import Driver
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.device.random_matrices import random_activations
from sw_runtime.device.selftest import Outcome, selftest
from sw_runtime.device.simulated_board import board_parameters, simulated_board
from sw_runtime.device.simulator import build_boards
from sw_runtime.device.simulator.build_boards import build_board
from tests.sw_runtime.device.matrices import random_matrix

NAME = "orangecrab"
ENGINE = EngineParameters(("scaled-3bit", "scaled-4bit"), batch=2, maximum_columns=576, maximum_rows=576)
BOARD = board_parameters(NAME, ENGINE)
PAGE_BYTES = 2048
BANKS = 8


@pytest.fixture(scope="module")
def device() -> Iterator[Driver]:
    opened = seedloom.open_device(f"simulated-board:{NAME}", parameters=ENGINE)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", ENGINE.formats)
@pytest.mark.parametrize(("rows", "columns", "vectors"), [(1, 1, 1), (37, 150, 2), (192, 576, 1)])
def test_products_equal_the_emulated_devices_and_cost_what_the_model_says(
    device: Driver, name: str, rows: int, columns: int, vectors: int
) -> None:
    matrix, activations = random_matrix(name, rows, columns), random_activations(vectors, columns, 16)
    emulated = EmulatedDevice(ENGINE)
    handle, before = device.load(matrix), replace(device.counters)
    assert torch.equal(device.matvec(handle, activations), emulated.matvec(emulated.load(matrix), activations))
    weight_format = BOARD.engine.weight_formats[ENGINE.formats.index(name)]
    spent, predicted = device.counters - before, board_cost(BOARD, weight_format, rows, columns, vectors)
    assert replace(spent, cycles=0) == replace(predicted, cycles=0)
    assert abs(spent.cycles - predicted.cycles) <= most_error(predicted.cycles, weight_format.blocks(columns))
    device.unload(handle)


def test_a_whole_matrix_takes_a_word_of_the_memory_almost_every_cycle(device: Driver) -> None:
    handle, before = device.load(random_matrix("scaled-4bit", 192, 576)), replace(device.counters)
    device.matvec(handle, random_activations(1, 576, 16))
    spent = device.counters - before
    words = (spent.weight_bytes + spent.activation_bytes + spent.result_bytes) / 4
    assert words >= 0.98 * spent.cycles
    device.unload(handle)


@pytest.mark.parametrize("first", [0, 4, 8, 12, PAGE_BYTES - 4, BANKS * PAGE_BYTES - 8, BOARD.memory.size_bytes - 40])
@pytest.mark.parametrize("words", [1, 2, 3, 5, 10])
def test_what_is_written_anywhere_is_read_back_and_its_neighbours_stay(device: Driver, first: int, words: int) -> None:
    transport = device.transport
    assert isinstance(transport, BoardTransport)
    around, size = max(0, first - 16), min(BOARD.memory.size_bytes, first + 4 * words + 16)
    random = np.random.default_rng(first + words)
    held = random.integers(256, size=size - around, dtype=np.uint8)
    upload(transport.channel, around, held)
    part = random.integers(256, size=4 * words, dtype=np.uint8)
    held[first - around :][: 4 * words] = part
    upload(transport.channel, first, part)
    assert (download(transport.channel, around, len(held) // 4) == held).all()


def test_addresses_reach_over_the_whole_chip(device: Driver) -> None:
    transport = device.transport
    assert isinstance(transport, BoardTransport)
    places = [1 << bit for bit in range(2, (BOARD.memory.size_bytes - 1).bit_length())]
    for place in places:
        upload(transport.channel, place, np.frombuffer(place.to_bytes(4, "little"), np.uint8))
    for place in places:
        assert int.from_bytes(download(transport.channel, place, 1).tobytes(), "little") == place


def test_the_self_test_finds_nothing_wrong() -> None:
    device = simulated_board(NAME, ENGINE)
    checks = {check.part: check for check in selftest(device)}
    assert all(check.outcome != Outcome.FAILED for check in checks.values()), checks
    assert {checks[part].outcome for part in ("memory", "engine")} == {Outcome.PASSED}
    device.close()


def test_behind_a_serial_line_it_multiplies_as_the_emulated_device() -> None:
    device = seedloom.open_device(f"serial:pty:{NAME}", parameters=ENGINE)
    matrix, activations = random_matrix("scaled-4bit", 40, 70), random_activations(2, 70, 16)
    emulated = EmulatedDevice(ENGINE)
    expected = emulated.matvec(emulated.load(matrix), activations)
    assert torch.equal(device.matvec(device.load(matrix), activations), expected)
    device.close()


def test_without_litedram_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_boards, "DDR3_PACKAGES", ("no-such-package",))
    with pytest.raises(DependencyError, match=r"no-such-package is missing; pip install 'seedloom\[synth\]'"):
        build_board(BOARD)
