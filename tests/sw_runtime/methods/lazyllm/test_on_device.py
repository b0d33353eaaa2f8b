import pytest
import torch

from formats.router.descriptor import RouterParameters
from golden_models.lazyllm import LazyLLM as GoldenLazyLLM
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.lazyllm.loop import LazyLLM
from sw_runtime.methods.lazyllm.on_device import RouterTokenSets
from sw_runtime.methods.lazyllm.schedule import LazyLLMParameters
from tests.sw_runtime.methods.models import both_decoders

ROUTER = RouterParameters(keys=64, slots=16)
RATES = {0: 0.3, 2: 0.5, 4: 0.4}


@pytest.mark.parametrize("code", ["sum16", "x24"])
def test_a_devices_sets_are_the_golden_ones_in_one_sequence_after_another(code: str) -> None:
    device = EmulatedDevice(router=ROUTER)
    decoder, golden_decoder = both_decoders()
    for tokens in (torch.arange(40), torch.arange(30, 60)):
        golden = GoldenLazyLLM(golden_decoder, RATES, code)
        ours = LazyLLM(decoder, LazyLLMParameters(RATES, code), RouterTokenSets(device, 6, code))
        for fresh in (tokens, *torch.tensor([[3], [99], [42], [7]])):
            expected, step = golden.step(fresh), ours.step(fresh)
            assert torch.equal(step.attended, expected.attended)
            assert torch.equal(step.computed, expected.computed)
            assert torch.equal(step.revived, expected.revived)


def test_too_many_layers_are_refused() -> None:
    with pytest.raises(ValueError, match="8 layers take 18 bitmaps, the router has 16; open a larger one"):
        RouterTokenSets(EmulatedDevice(router=ROUTER), 8)


def test_too_many_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="65 tokens do not fit the router's 64 keys"):
        RouterTokenSets(EmulatedDevice(router=ROUTER), 6).begin(65)
