"""What a layer on a device does when it is trained, filled, moved, copied, or its device closed."""

import pickle
from copy import deepcopy

import pytest
import torch

from formats.errors import DeviceError, InputError
from formats.presets import PRESETS
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.nn.attach import attach, detach
from sw_runtime.nn.linear import SeedLinear
from tests.sw_runtime.nn.test_linear import filled, hidden_states

X = hidden_states(3, 50)


@pytest.fixture
def device() -> EmulatedDevice:
    return EmulatedDevice()


@pytest.fixture
def attached(device: EmulatedDevice) -> SeedLinear:
    layer, _ = filled(PRESETS["scaled-4bit"], bias=True)
    layer.attach(device)
    return layer


def test_on_the_host_hidden_states_have_a_gradient() -> None:
    layer, _ = filled(PRESETS["scaled-4bit"])
    x = X.clone().requires_grad_()
    layer(x).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, layer.decoded(torch.float32).sum(0).expand(3, 50))


def test_a_gradient_through_a_device_is_refused_when_it_is_asked_for(attached: SeedLinear) -> None:
    outputs = attached(X.clone().requires_grad_())
    assert torch.equal(outputs.detach(), attached(X))
    with pytest.raises(InputError, match=r"a device gives no gradients; take the model off it.*seedloom\.detach"):
        outputs.sum().backward()


def test_where_no_gradient_is_recorded_none_is_refused(attached: SeedLinear) -> None:
    with torch.no_grad():
        assert not attached(X.clone().requires_grad_()).requires_grad
    assert not attached(X).requires_grad


def test_new_weights_go_to_the_device_in_the_place_of_the_old_ones(
    attached: SeedLinear, device: EmulatedDevice
) -> None:
    other, _ = filled(PRESETS["scaled-4bit"], bias=True)
    other.weight_scale *= 2
    before = attached(X)
    attached.load_state_dict(other.state_dict())
    assert attached.is_attached
    other.attach(EmulatedDevice())
    assert torch.equal(attached(X), other(X))
    assert not torch.equal(attached(X), before)
    with pytest.raises(DeviceError, match="no matrix with handle 1"):
        device.unload(1)


def test_new_bytes_that_are_no_weights_are_refused_and_the_layer_is_off_the_device(attached: SeedLinear) -> None:
    with pytest.raises(InputError, match="has seed 0"):
        attached.load_state_dict({name: torch.zeros_like(tensor) for name, tensor in attached.state_dict().items()})
    assert not attached.is_attached


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_another_dtype_leaves_the_device_as_it_is(dtype: torch.dtype, attached: SeedLinear) -> None:
    attached.bias = None
    before = attached(X)
    outputs = attached.to(dtype)(X.to(dtype))
    assert outputs.dtype == dtype
    assert torch.allclose(outputs.float(), before, atol=2**-6 * before.abs().max().item())
    assert torch.equal(attached.to(torch.float32)(X), before)


def test_a_closed_device_is_named_and_after_detaching_the_host_multiplies(
    attached: SeedLinear, device: EmulatedDevice
) -> None:
    device.close()
    with pytest.raises(DeviceError, match="the device is closed"):
        attached(X)
    detach(attached)
    assert torch.equal(attached(X), torch.nn.functional.linear(X, attached.decoded(torch.float32), attached.bias))
    attach(attached, EmulatedDevice())
    assert attached.is_attached


def test_a_deep_copy_is_on_the_same_device_with_weights_of_its_own(
    attached: SeedLinear, device: EmulatedDevice
) -> None:
    copied = deepcopy(attached)
    assert torch.equal(copied(X), attached(X))
    attached.detach()
    counted = device.counters.cycles
    copied(X)
    assert device.counters.cycles > counted
    copied.detach()
    assert torch.equal(copied(X), attached(X))
    assert copied.stored_weight.data_ptr() != attached.stored_weight.data_ptr()


def test_a_pickle_is_on_no_device(attached: SeedLinear) -> None:
    read = pickle.loads(pickle.dumps(attached))
    assert not read.is_attached
    attached.detach()
    assert torch.equal(read(X), attached(X))


@pytest.mark.parametrize("large", [1e300, -1e39])
def test_float64_activations_beyond_float32_are_refused(large: float, attached: SeedLinear) -> None:
    x = X.double()
    x[1, 2] = large
    with pytest.raises(InputError, match="must be finite; the model's hidden_states hold numbers beyond float32"):
        attached(x)
    assert attached(X.double()).isfinite().all()
