from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from formats.router.descriptor import RouterParameters
from papers.lazyllm import measure, prompts_of, schedules, work
from papers.lazyllm_questions import NEEDLES
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.lazyllm.loop import LazyLLM
from sw_runtime.methods.lazyllm.on_device import RouterTokenSets
from sw_runtime.methods.lazyllm.schedule import LazyLLMParameters
from sw_runtime.texts.packaged_models import smollm2_folder
from tests.models import tiny_llama
from tests.papers.big_bench import BRIDGES, NATURAL_QUESTIONS, tasks_in
from tests.papers.some_papers import alike


def decoder_of_six_layers() -> Decoder:
    decoder = Decoder.of(tiny_llama())
    return replace(decoder, layers=decoder.layers * 2)


def test_work_of_a_dense_prompt_is_that_of_its_matrices_and_pairs() -> None:
    decoder = decoder_of_six_layers()
    sets = RouterTokenSets(EmulatedDevice(router=RouterParameters()), 6)
    step = LazyLLM(decoder, LazyLLMParameters({}), sets).step(torch.arange(5))
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


@pytest.mark.usefixtures("narrow_port")
def test_both_devices_make_the_same_selections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks_in(tmp_path, {NATURAL_QUESTIONS: BRIDGES}, monkeypatch)
    emulated, simulated = (
        measure(device, 1, prompt_tokens=40, new_tokens=3, runs=1, questions=1, depths=(0.5,))
        for device in ("emulated", "simulated")
    )
    assert emulated.details == simulated.details
    timed = "router cycles", "CPU time", "first token after"
    assert alike(emulated.figures, *timed) == alike(simulated.figures, *timed)
    assert emulated.figures["no rates: all tokens predicted as by the dense model"] == "yes"
    assert emulated.findings["computed"].ours == simulated.findings["computed"].ours
    assert emulated.findings["first token"].ours
    kept = emulated.details["attended in the last layer of the prefill"]
    assert [len(tokens[0]) for tokens in kept.values()] == [40, 30, 12, 5]
    assert emulated.details["answers"]["dense"] == ["Anna GG"]
    assert emulated.details["needles"]["right"] == list(NEEDLES.values())
