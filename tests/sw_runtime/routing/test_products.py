"""Rows chosen on the device: what the golden models choose among the same keys."""

import pytest
import torch

from formats.engine import EngineParameters
from formats.matrices import Fp16Matrix
from formats.router.descriptor import RouterParameters
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.routing.products import argmax_product, keep_top_product

ROWS = torch.tensor([[1.0, 0.0], [3.0, 1.0], [0.5, 0.0], [3.0, 1.0], [-7.0, 2.0]])
VECTOR = torch.tensor([[1000, 10]])


@pytest.fixture
def device() -> EmulatedDevice:
    parameters = EngineParameters(("fp16",), maximum_columns=8, maximum_rows=40)
    return EmulatedDevice(parameters, router=RouterParameters(keys=32))


def test_the_first_of_the_largest_rows_is_named(device: EmulatedDevice) -> None:
    handle = device.load(Fp16Matrix(ROWS.half()))
    assert argmax_product(device, handle, VECTOR, 5) == 1
    assert argmax_product(device, handle, -VECTOR, 5) == 4


@pytest.mark.parametrize(
    ("keep", "kept"),
    [(0, []), (1, [1]), (2, [1, 3]), (3, [0, 1, 3]), (5, [0, 1, 2, 3, 4]), (9, [0, 1, 2, 3, 4])],
)
def test_the_largest_rows_are_marked(device: EmulatedDevice, keep: int, kept: list[int]) -> None:
    mask = keep_top_product(device, device.load(Fp16Matrix(ROWS.half())), VECTOR, 5, keep)
    assert mask.dtype == torch.bool
    assert mask.nonzero()[:, 0].tolist() == kept


def test_a_negative_number_of_rows_is_refused(device: EmulatedDevice) -> None:
    handle = device.load(Fp16Matrix(ROWS.half()))
    with pytest.raises(ValueError, match="keep is a number of rows from 0 on, not -1"):
        keep_top_product(device, handle, VECTOR, 5, -1)


def test_more_rows_than_keys_are_named_but_not_marked(device: EmulatedDevice) -> None:
    rows = torch.zeros(40, 2)
    rows[37] = 1
    handle = device.load(Fp16Matrix(rows.half()))
    assert argmax_product(device, handle, VECTOR, 40) == 37
    with pytest.raises(ValueError, match="40 tokens do not fit the router's 32 keys; split them"):
        keep_top_product(device, handle, VECTOR, 40, 1)
