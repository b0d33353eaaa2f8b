from functools import partial
from itertools import islice

import pytest
import torch

from formats.router.descriptor import RouterParameters
from golden_models.m2r2.exits import choose_exit, tokens_with_exits
from golden_models.m2r2.speculation import greedy, speculation_rounds
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.m2r2.fast_stream import FastStream
from sw_runtime.methods.m2r2.residuals import M2R2Parameters
from sw_runtime.methods.m2r2.text import ExitedText, SpeculatedText
from tests.golden_models.m2r2.models import random_adapters
from tests.sw_runtime.methods.m2r2.test_exits import EXITS, gates, golden_gates
from tests.sw_runtime.methods.models import PROMPT, adapters, both_decoders, decoder_of_six_layers

GOLDEN_ADAPTERS = random_adapters(4, 1, 0.02)


@pytest.fixture
def device() -> EmulatedDevice:
    return EmulatedDevice(router=RouterParameters())


def stream() -> FastStream:
    return FastStream(M2R2Parameters(exits=EXITS), adapters(GOLDEN_ADAPTERS), gates(golden_gates()))


def test_drafted_text_is_that_of_greedy_decoding(device: EmulatedDevice) -> None:
    decoder, golden = both_decoders()
    text = SpeculatedText(decoder, stream(), device, PROMPT, 3)
    assert list(islice(text, 9)) == greedy(golden, PROMPT, 9)


def test_figures_of_drafts_are_those_of_their_rounds(device: EmulatedDevice) -> None:
    decoder, golden_decoder = both_decoders()
    text = SpeculatedText(decoder, stream(), device, PROMPT, 3)
    list(islice(text, 9))
    golden = list(islice(speculation_rounds(golden_decoder, GOLDEN_ADAPTERS, PROMPT, 3), len(text.rounds)))
    accepted = [found.accepted for found in golden]
    assert text.figures() == {
        "rounds": len(golden),
        "drafts_accepted": sum(accepted) / (3 * len(golden)),
        "tokens_a_round": 1 + sum(accepted) / len(golden),
    }


def test_tokens_leave_where_the_golden_model_lets_them(device: EmulatedDevice) -> None:
    decoder, golden_decoder = both_decoders()
    text = ExitedText(decoder, stream(), device, PROMPT)
    tokens = list(islice(text, 9))
    choose = partial(choose_exit, theta=0.0)
    golden = list(islice(tokens_with_exits(golden_decoder, GOLDEN_ADAPTERS, golden_gates(), EXITS, PROMPT, choose), 9))
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
