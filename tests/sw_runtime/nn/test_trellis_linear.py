"""A linear layer that holds trellis words."""

import pytest
import torch

from formats.matrices import real_weights
from formats.presets import TRELLIS_PRESETS
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.nn.layer_classes import layer_class
from sw_runtime.nn.trellis_linear import TrellisLinear
from tests.sw_runtime.device.matrices import random_matrix


def matrix_of(name: str) -> TrellisMatrix:
    """Five rows of 20 weights, scales as a file keeps them."""
    matrix = random_matrix(name, 5, 20, seed=0)
    assert isinstance(matrix, TrellisMatrix)
    return TrellisMatrix(matrix.trellis_format, matrix.words, torch.rand(5).bfloat16().float(), 20)


def filled(name: str) -> tuple[TrellisLinear, TrellisMatrix]:
    layer, matrix = layer_class(name).empty(20, 5, name, bias=False), matrix_of(name)
    assert isinstance(layer, TrellisLinear)
    layer.load_state_dict(TrellisLinear.stored_tensors(matrix))
    return layer, matrix


@pytest.mark.parametrize("name", TRELLIS_PRESETS)
def test_gives_back_the_matrix_that_was_stored(name: str) -> None:
    layer, matrix = filled(name)
    found = layer.stored_matrix()
    assert torch.equal(found.words, matrix.words)
    assert torch.equal(found.scales, matrix.scales)
    assert layer.stored_bytes == 5 * (TRELLIS_PRESETS[name].row_bytes(20) + 2)
    inputs = torch.randn(3, 20, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(layer(inputs), inputs @ real_weights(matrix).T)


def test_keeps_its_bytes_whatever_the_dtype() -> None:
    layer, matrix = filled("trellis-3bit")
    layer.to(torch.float16)
    assert layer.weight.dtype == torch.uint8
    assert torch.equal(layer.stored_matrix().scales, matrix.scales)


def test_every_word_is_valid_and_scales_are_checked() -> None:
    layer, _ = filled("trellis-2bit")
    checks = layer.checks()
    checks["weight"](torch.zeros_like(layer.weight))
    checks["weight"](torch.full_like(layer.weight, 255))
    with pytest.raises(ValueError, match="scale 1 is nan, not a finite number"):
        checks["weight_scale"](torch.tensor([1.0, torch.nan]))


def test_rows_of_another_length_are_refused() -> None:
    layer, _ = filled("trellis-2bit")
    with pytest.raises(ValueError, match=r"trellis-2bit rows of 20 weights are uint8 \[rows, 6\]"):
        layer.checks()["weight"](torch.zeros(5, 7, dtype=torch.uint8))
