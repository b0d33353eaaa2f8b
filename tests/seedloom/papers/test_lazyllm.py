from dataclasses import replace

import pytest
import torch
from transformers import AutoTokenizer

from golden_models.decoder import Decoder
from golden_models.lazyllm import LazyLLM, LazyLLMParameters
from golden_models.router.descriptor import RouterParameters
from seedloom.papers.lazyllm import RouterTokenSets, measure, prompts_of, schedules, work
from sw_runtime.compress.packaged_models import smollm2_folder
from sw_runtime.device.emulated import EmulatedDevice
from tests.golden_models.test_decoder import llama

ROUTER = RouterParameters(keys=64, slots=16)
RATES = {0: 0.3, 2: 0.5, 4: 0.4}


def decoder_of_six_layers() -> Decoder:
    decoder = Decoder.from_transformers(llama())
    return replace(decoder, layers=decoder.layers * 2)


@pytest.mark.parametrize("code", ["sum16", "x24"])
def test_a_devices_sets_are_the_golden_ones_in_one_sequence_after_another(code: str) -> None:
    device = EmulatedDevice(router=ROUTER)
    for tokens in (torch.arange(40), torch.arange(30, 60)):
        parameters = LazyLLMParameters(RATES, code)
        golden = LazyLLM(decoder_of_six_layers(), parameters)
        ours = LazyLLM(decoder_of_six_layers(), parameters, RouterTokenSets(device, 6, code))
        for fresh in (tokens, *torch.tensor([[3], [99], [42], [7]])):
            expected, step = golden.step(fresh), ours.step(fresh)
            assert torch.equal(step.logits, expected.logits)
            assert torch.equal(step.attended, expected.attended)
            assert torch.equal(step.computed, expected.computed)
            assert torch.equal(step.revived, expected.revived)


def test_too_many_layers_are_refused() -> None:
    with pytest.raises(ValueError, match="8 layers take 18 bitmaps, the router has 16; open a larger one"):
        RouterTokenSets(EmulatedDevice(router=ROUTER), 8)


def test_too_many_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="65 tokens do not fit the router's 64 keys"):
        RouterTokenSets(EmulatedDevice(router=ROUTER), 6).begin(65)


def test_work_of_a_dense_prompt_is_that_of_its_matrices_and_pairs() -> None:
    decoder = decoder_of_six_layers()
    step = LazyLLM(decoder, LazyLLMParameters({})).step(torch.arange(5))
    matrices = 64 * 64 + 2 * 32 * 64 + 64 * 64 + 3 * 100 * 64
    assert work(decoder, step) == 6 * (5 * matrices + 15 * 2 * 64) + 120 * 64


def test_schedules_keep_what_their_names_say() -> None:
    rates = schedules(32)
    left = {}
    for name, schedule in rates.items():
        left[name] = [1.0]
        for rate in schedule.values():
            left[name].append(left[name][-1] * (1 - float(rate)))
    shares = [shares[1:] for shares in left.values()]
    assert shares == [
        pytest.approx([0.9, 0.81, 0.729]),
        pytest.approx([0.7, 0.5, 0.3]),
        pytest.approx([0.7, 0.35, 0.105]),
    ]


def test_prompts_are_beginnings_of_articles_that_are_long_enough() -> None:
    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder())
    prompts = prompts_of(tokenizer, 2, 700)
    assert [len(prompt) for prompt in prompts] == [700, 700]
    assert not torch.equal(*prompts)


def test_too_few_articles_are_refused() -> None:
    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder())
    with pytest.raises(ValueError, match="0 articles have 10000000 tokens, not 1"):
        prompts_of(tokenizer, 1, 10_000_000)


def test_both_devices_make_the_same_selections() -> None:
    emulated, simulated = (measure(device, 1, prompt_tokens=40, new_tokens=3) for device in ("emulated", "simulated"))
    assert emulated.details == simulated.details
    cycles = "router cycles"
    alike = [[f for f in report.figures if cycles not in f.name] for report in (emulated, simulated)]
    assert alike[0] == alike[1]
    assert emulated.figures[0].ours.startswith("the same")
    kept = emulated.details["attended in the last layer of the prefill"]
    assert [len(tokens[0]) for tokens in kept.values()] == [40, 30, 12, 5]
