"""Victor in RTL: runs of visual tokens left out, and FastV's ranking by SmolLM2's own attention inside a run."""

from dataclasses import replace

import torch
from torch import Tensor

from formats.router.descriptor import Flag, KeyFormat, Opcode
from formats.router.numbers import UQ0_16
from golden_models.layers import causal_mask
from golden_models.router.unit import RouterUnit
from golden_models.victor import Prompt, VictorParameters, best_of_image, outside_images
from papers.smollm2 import SmolLM2
from sw_runtime.device.protocol import Request
from sw_runtime.routing.commands import request
from sw_runtime.texts.corpora import wikipedia_articles
from sw_runtime.texts.tokens import tokenize
from tests.hw.papers.router import ROUTER, check_packets
from tests.hw.router.problems import Problem

KEPT, VISUAL, BEST = 0, 1, 2
TOKENS = 150
IMAGES = ((11, 64), (90, 33))
"""Runs of the text that stand for images: no vision-language model installs."""


def attention_before_the_drop(drop_layer: int) -> tuple[Prompt, Tensor]:
    """A real text's hidden states, and SmolLM2's attention in the last layer before a drop: [heads, T, T]."""
    smollm2 = SmolLM2.load()
    decoder = replace(smollm2.decoder, layers=smollm2.decoder.layers[:drop_layer])
    tokens = tokenize(wikipedia_articles()[0][:2000], smollm2.tokenizer)[:TOKENS]
    positions = torch.arange(TOKENS)
    x = embedded = decoder.embed(tokens)
    for layer in decoder.layers:
        seen = decoder.keys_values(layer, x, positions)
        x, attention = decoder.attend(layer, x, positions, seen, causal_mask(positions, positions))
        x = decoder.feed_forward(layer, x)
    return Prompt(embedded, IMAGES), attention


def drop_requests() -> list[Request]:
    """The rows outside all images, each RANGE in the set the last one left; then the others."""
    requests = [request(Opcode.RANGE, n=TOKENS, dst=KEPT)]  # a run of nothing: all rows
    requests += [request(Opcode.RANGE, n=TOKENS, x=x, y=y, sa=KEPT, dst=KEPT) for x, y in IMAGES]
    return [
        *requests,
        request(Opcode.GATHER, n=TOKENS, z=0x5555, sa=KEPT, dst=VISUAL, y=0x5555, flags=Flag.GATHER_WRITE),
    ]


def rank_requests(attention: Tensor, keep: int) -> list[Request]:
    """The last token's attention, head after head into the sums; then the best visual tokens, and the rest."""
    heads = UQ0_16.quantise(attention[:, -1])
    loads = [
        request(Opcode.LOAD, row.tolist(), KeyFormat.U16 | (Flag.LOAD_ACCUMULATE if head else 0), n=TOKENS)
        for head, row in enumerate(heads)
    ]
    return [*loads, request(Opcode.TOPK, flags=Flag.TOPK_OUTSIDE, n=TOKENS, x=keep, sa=VISUAL, dst=BEST)]


def test_rows_are_dropped_and_ranked_as_by_the_golden_models() -> None:
    prompt, attention = attention_before_the_drop(VictorParameters().drop_layer)
    unit, requests = RouterUnit(ROUTER), drop_requests()
    for sent in requests:
        unit.execute(sent.command, sent.data)
    dropped = outside_images(prompt)(None)
    assert torch.equal(unit.memory.bitmaps[KEPT, :TOKENS], dropped)
    assert torch.equal(unit.memory.bitmaps[VISUAL, :TOKENS], ~dropped)
    for keep in (0, 8, 48, 97):
        ranking = rank_requests(attention, keep)
        for sent in ranking:
            unit.execute(sent.command, sent.data)
        expected = best_of_image(prompt, keep)(attention)
        assert torch.equal(unit.memory.bitmaps[BEST, :TOKENS], expected)
        assert int(expected.sum()) == int(dropped.sum()) + keep
        requests += ranking
    check_packets([Problem(sent.command, sent.data) for sent in requests])
