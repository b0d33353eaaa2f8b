from itertools import islice

import torch

from formats.router.descriptor import RouterParameters
from golden_models.decoder import Decoder as GoldenDecoder
from golden_models.lazyllm import LazyLLM
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.lazyllm.schedule import port_rates
from sw_runtime.methods.lazyllm.text import PrunedText
from tests.models import tiny_llama

PROMPT = torch.arange(10, 50)


def decoder() -> Decoder:
    return Decoder.of(tiny_llama())


def test_the_text_is_the_golden_models_with_the_ports_rates() -> None:
    device = EmulatedDevice(router=RouterParameters())
    golden, expected = LazyLLM(GoldenDecoder.from_transformers(tiny_llama()), port_rates(3)), []
    fresh = PROMPT
    for _ in range(5):
        expected.append(int(golden.step(fresh).logits.argmax()))
        fresh = torch.tensor(expected[-1:])
    assert list(islice(PrunedText(decoder(), device, PROMPT), 5)) == expected


def test_figures_say_how_much_of_the_prompt_was_computed() -> None:
    text = PrunedText(decoder(), EmulatedDevice(router=RouterParameters()), PROMPT)
    next(iter(text))
    figures = text.figures()
    # rates .3, .5 and .7 of three layers' depths: after layer 0 no more than 28 of 40 tokens go on, and so on
    assert figures["prompt_computed_for_first_token"] == figures["prompt_computed"] < 1
    assert text.prefill_computed[0].all()
    assert text.prefill_computed.sum(dim=1).tolist() == sorted(text.prefill_computed.sum(dim=1).tolist(), reverse=True)
    list(islice(text, 4))
    later = text.figures()
    assert later["prompt_computed"] >= later["prompt_computed_for_first_token"]
