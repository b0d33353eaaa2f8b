import pytest
import torch
from torch import Tensor, nn

from formats.activations import quantise_activations, rescale
from formats.engine import EngineParameters
from formats.matrices import Fp16Matrix
from golden_models.seedlm.datapath import matvec
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.nn.fp16_linear import Fp16Linear


def filled(bias: bool = False) -> tuple[Fp16Linear, Tensor]:
    """A layer, and its weights in float16."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(6, 50, generator=generator).half()
    layer = Fp16Linear(50, 6, bias)
    layer.weight.copy_(Fp16Linear.stored_tensors(Fp16Matrix(weights))["weight"])
    if layer.bias is not None:
        layer.bias.copy_(torch.randn(6, generator=generator))
    return layer, weights


def hidden_states(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_the_host_it_equals_a_linear_layer(dtype: torch.dtype) -> None:
    layer, weights = filled(bias=True)
    layer.to(dtype)
    x = hidden_states(2, 3, 50).to(dtype)
    assert torch.equal(layer(x), nn.functional.linear(x, weights.to(dtype), layer.bias))


def test_on_a_device_it_equals_the_golden_datapath() -> None:
    layer, weights = filled(bias=True)
    device = EmulatedDevice(EngineParameters(("fp16",)))
    layer.attach(device)
    x = hidden_states(3, 50)
    activations, scales = quantise_activations(x)
    matrix = Fp16Matrix(weights)
    assert torch.equal(layer(x), rescale(matvec(matrix, activations), matrix, scales) + layer.bias)


def test_no_change_of_dtype_touches_the_bytes() -> None:
    layer, weights = filled()
    layer.to(torch.bfloat16)
    assert layer.weight.dtype == torch.uint8
    assert torch.equal(layer.decoded(torch.float16), weights)
    assert layer.stored_bytes == 2 * weights.numel()


def test_it_shows_what_it_is() -> None:
    assert str(Fp16Linear(50, 6)) == "Fp16Linear(50, 6, fp16, bias=False)"
