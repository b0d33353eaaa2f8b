from itertools import islice

import pytest
import torch

from formats.router.descriptor import RouterParameters
from golden_models.m2r2.exits import ExitGate, tokens_with_exits
from golden_models.m2r2.residuals import M2R2Parameters
from golden_models.m2r2.speculation import greedy, speculation_rounds
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.generation.fast_stream import FastStream
from sw_runtime.generation.m2r2 import ExitedText, SpeculatedText
from tests.golden_models.m2r2.models import PROMPT, decoder_of_six_layers, random_adapters


@pytest.fixture
def device() -> EmulatedDevice:
    return EmulatedDevice(router=RouterParameters())


def stream() -> FastStream:
    generator = torch.Generator().manual_seed(2)  # some tokens leave at either exit, some stay
    maps, weights = torch.randn(2, 3, 8, 64, generator=generator), torch.randn(2, 8, generator=generator)
    gates = [ExitGate(*three, weight, torch.zeros(())) for three, weight in zip(maps, weights, strict=True)]
    return FastStream(M2R2Parameters(exits=(2, 4)), random_adapters(4, 1, 0.02), gates)


def test_drafted_text_is_that_of_greedy_decoding(device: EmulatedDevice) -> None:
    decoder = decoder_of_six_layers()
    text = SpeculatedText(decoder, stream(), device, PROMPT, 3)
    assert list(islice(text, 9)) == greedy(decoder, PROMPT, 9)


def test_figures_of_drafts_are_those_of_their_rounds(device: EmulatedDevice) -> None:
    decoder = decoder_of_six_layers()
    text = SpeculatedText(decoder, stream(), device, PROMPT, 3)
    list(islice(text, 9))
    golden = list(islice(speculation_rounds(decoder, stream().adapters, PROMPT, 3), len(text.rounds)))
    accepted = [found.accepted for found in golden]
    assert text.figures() == {
        "rounds": len(golden),
        "drafts_accepted": sum(accepted) / (3 * len(golden)),
        "tokens_a_round": 1 + sum(accepted) / len(golden),
    }


def test_tokens_leave_where_the_golden_model_lets_them(device: EmulatedDevice) -> None:
    decoder, fitted = decoder_of_six_layers(), stream()
    text = ExitedText(decoder, fitted, device, PROMPT)
    tokens = list(islice(text, 9))
    golden = list(islice(tokens_with_exits(decoder, fitted.adapters, fitted.gates, fitted.parameters, PROMPT), 9))
    assert list(zip(tokens, text.left, strict=True)) == golden
    assert len(set(text.left)) > 1
    assert text.figures() == {
        "left_early": sum(layer < 6 for layer in text.left) / 9,
        "mean_layers": sum(text.left) / 9,
    }


def test_a_device_without_router_is_refused() -> None:
    text = SpeculatedText(decoder_of_six_layers(), stream(), EmulatedDevice(), PROMPT, 1)
    with torch.inference_mode(), pytest.raises(ValueError, match="this device has no router; open it with"):
        next(iter(text))
