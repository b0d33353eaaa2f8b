"""M2R2 in RTL: drafts, exits and predicted experts of SmolLM2's first layers, one after another through one router."""

from dataclasses import replace

import torch

from formats.router.descriptor import CacheAction, Flag, Opcode
from golden_models.m2r2.experts import ExpertCache as GoldenExpertCache
from papers.m2r2 import exit_figures, speculate
from papers.m2r2_experts import Fitted, expert_hits
from papers.smollm2 import SmolLM2
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.m2r2.fit import Window
from sw_runtime.methods.m2r2.on_device import DeviceExpertCache
from sw_runtime.methods.m2r2.residuals import M2R2Parameters
from sw_runtime.texts.corpora import wikipedia_articles
from sw_runtime.texts.tokens import spread_windows, tokenize
from tests.hw.papers.recorder import Recorder
from tests.hw.papers.router import ROUTER, check_packets

LAYERS, TOKENS = 6, 6
PARAMETERS = M2R2Parameters(rate=2, rank=8, exits=(2, 3))


def test_drafts_exits_and_experts() -> None:
    smollm2 = SmolLM2.load()
    decoder = Decoder.of(smollm2.model)
    decoder = replace(decoder, layers=decoder.layers[:LAYERS])
    texts = spread_windows(tokenize(wikipedia_articles()[0], smollm2.tokenizer), 3, 48)
    device = Recorder(ROUTER)
    with torch.inference_mode():
        fitted = Fitted.to(decoder, PARAMETERS, [Window.of(decoder, text) for text in texts[:2]])
        assert speculate(decoder, [fitted.stream], device, [texts[2]], TOKENS).same == 1, "greedy decoding's"
        exit_figures(fitted, device, [texts[2]], TOKENS)
        judged = [Window.of(decoder, texts[2][:TOKENS])]
        hits = expert_hits(fitted, DeviceExpertCache(device, LAYERS), judged, "fast")
        golden = expert_hits(fitted, GoldenExpertCache(LAYERS, ROUTER.ways), judged, "fast")
    assert (hits.ready, hits.fetched) == (golden.ready, golden.fetched)
    commands = [request.command for request in device.sent]
    assert {command.opcode for command in commands} == {Opcode.PREFIX, Opcode.FIRST, Opcode.LRU}
    experts = [command for command in commands if command.opcode == Opcode.LRU]
    assert {command.mode for command in experts} == set(CacheAction)
    assert any(command.has(Flag.LRU_PIN) for command in experts)
    check_packets(device.problems())
