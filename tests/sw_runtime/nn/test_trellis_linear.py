"""A linear layer that holds trellis words."""

import sys

import pytest
import torch
from torch._subclasses import FakeTensorMode

from formats.errors import DependencyError
from formats.matrices import real_weights
from formats.presets import TRELLIS_PRESETS
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.host.trellis import TrellisRows
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


def on_a_gpu(layer: TrellisLinear) -> TrellisLinear:
    """The layer with buffers that say they lie on a GPU and hold nothing; within a ``FakeTensorMode``."""
    for name, buffer in list(layer.named_buffers()):
        layer.register_buffer(name, torch.empty(buffer.shape, dtype=buffer.dtype, device="cuda"))
    return layer


def test_packed_words_are_multiplied_by_c_on_the_cpu_and_by_triton_on_a_gpu() -> None:
    layer, _ = filled("trellis-3bit")
    assert isinstance(layer.packed_rows(), TrellisRows)
    layer.stay_packed()
    with FakeTensorMode(allow_non_fake_inputs=True):
        on_the_cpu, on_the_gpu = torch.empty(1, 20), torch.empty(1, 20, device="cuda")
        assert layer._takes_packed(on_the_cpu)
        assert not layer._takes_packed(on_the_gpu)
        on_a_gpu(layer)
        assert type(layer.packed_rows()).__name__ == "TritonTrellisRows"
        assert layer._takes_packed(on_the_gpu)
        assert not layer._takes_packed(on_the_cpu)


def test_a_missing_triton_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, _ = filled("trellis-3bit")
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "sw_runtime.host.triton_trellis", raising=False)
    with (
        FakeTensorMode(allow_non_fake_inputs=True),
        pytest.raises(DependencyError, match=r"on a GPU needs Triton: pip install 'seedloom\[gpu\]', or load it with"),
    ):
        on_a_gpu(layer).stay_packed()
