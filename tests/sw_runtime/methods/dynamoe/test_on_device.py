import pytest
import torch

from formats.router.descriptor import RouterParameters
from golden_models import dynamoe as golden
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.dynamoe.on_device import by_routers, choose


@pytest.mark.parametrize("theta", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_a_device_chooses_as_the_golden_model(theta: float) -> None:
    logits = torch.randn(60, 4, generator=torch.Generator().manual_seed(0)) * 3
    experts, fallback = choose(EmulatedDevice(router=RouterParameters()), logits, theta)
    expected = golden.choose(logits, theta)
    assert torch.equal(experts, expected[0])
    assert torch.equal(fallback, expected[1])


def test_every_layer_has_its_router() -> None:
    torch.manual_seed(0)
    parameters = golden.DynaMoEParameters(router_width=8)
    routers, x = [golden.DifficultyRouter(64, parameters) for _ in range(2)], torch.randn(50, 64)
    ours = by_routers(EmulatedDevice(router=RouterParameters()), routers, 0.5)
    expected = golden.by_routers(routers, 0.5)
    with torch.inference_mode():
        chosen = [ours(layer, x) for layer in range(2)]
        assert all(torch.equal(chosen[layer], expected(layer, x)) for layer in range(2))
    assert not torch.equal(*chosen)
