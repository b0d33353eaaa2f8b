"""Two steps of LazyLLM in RTL: SmolLM2's own attention is ranked, and lists say what to fetch, revive and set aside."""

from dataclasses import replace

import torch

from formats.router.descriptor import Opcode
from golden_models.lazyllm import LazyLLM as GoldenLazyLLM
from papers.smollm2 import SmolLM2
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.lazyllm.loop import LazyLLM
from sw_runtime.methods.lazyllm.on_device import RouterTokenSets
from sw_runtime.methods.lazyllm.schedule import LazyLLMParameters
from sw_runtime.texts.corpora import wikipedia_articles
from sw_runtime.texts.tokens import tokenize
from tests.hw.papers.recorder import Recorder
from tests.hw.papers.router import ROUTER, check_packets

LAYERS, TOKENS, STEPS = 5, 40, 3
RATES = {0: 0.3, 1: 0.5, 3: 0.4}


def test_every_set_and_list_of_a_prompt_and_the_tokens_after_it() -> None:
    smollm2, device = SmolLM2.load(), Recorder(ROUTER)
    golden_decoder, decoder = (
        replace(decoder, layers=decoder.layers[:LAYERS]) for decoder in (smollm2.decoder, Decoder.of(smollm2.model))
    )
    text = tokenize(wikipedia_articles()[0][:1000], smollm2.tokenizer)
    chunks = [text[:TOKENS], *text[TOKENS : TOKENS + STEPS - 1, None]]
    golden = GoldenLazyLLM(golden_decoder, RATES)
    ours = LazyLLM(decoder, LazyLLMParameters(RATES), RouterTokenSets(device, LAYERS))
    steps = [(golden.step(fresh), ours.step(fresh)) for fresh in chunks]
    for expected, step in steps:
        assert torch.equal(step.attended, expected.attended)
        assert torch.equal(step.revived, expected.revived)
    assert any(step.revived.any() for _, step in steps)  # else a list would never hold anything
    sent = [sent.command.opcode for sent in device.sent]
    assert sent.count(Opcode.TOPK) == STEPS * len(RATES)
    assert sent.count(Opcode.LOAD) == STEPS * len(RATES) * decoder.heads
    check_packets(device.problems())
