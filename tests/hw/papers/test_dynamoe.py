"""Experts of a real MLP in RTL: the router unit chooses them a token, the engine multiplies by prefixes of matrices."""

import pytest
import torch
from torch import Tensor

from formats.activations import quantise_activations
from formats.presets import PRESETS
from formats.router.descriptor import Bound, KeyFormat, Opcode
from formats.router.numbers import SQ7_16, logit, threshold
from golden_models.decoder import Decoder
from golden_models.dynamoe import (
    DynaMoEParameters,
    choose,
    expert_widths,
    importance,
    prefix,
    reorder,
)
from golden_models.router.unit import RouterUnit
from papers.dynamoe_nested import label_tokens, mlp_inputs, train_router
from papers.smollm2 import SmolLM2
from sw_runtime.routing.commands import request
from sw_runtime.search.search import encode_matrix
from sw_runtime.texts.corpora import news
from sw_runtime.texts.tokens import tokenize
from tests.hw.papers.products import ENGINE, check_products
from tests.hw.papers.router import ROUTER, check_packets
from tests.hw.router.problems import Problem

TOKENS = 40
PARAMETERS = DynaMoEParameters(router_width=16)
FORMATS = ("scaled-4bit", "paper-3bit")
CUT = 96
"""Rows and columns of the real matrices that are simulated; a quarter is 24, a multiple of both blocks."""


@pytest.fixture(scope="module")
def smollm2() -> SmolLM2:
    return SmolLM2.load()


@pytest.fixture(scope="module")
def decoder(smollm2: SmolLM2) -> Decoder:
    return smollm2.decoder


@pytest.fixture(scope="module")
def inputs(smollm2: SmolLM2) -> list[Tensor]:
    tokens = tokenize(news()[:1000], smollm2.tokenizer)[:TOKENS]
    return mlp_inputs(smollm2.decoder, tokens[None], PARAMETERS.experts)


def test_trained_routers_choose_as_the_golden_model(decoder: Decoder, inputs: list[Tensor]) -> None:
    problems, chosen = [], []
    for number in (0, 9, 29):
        layer, x = reorder(decoder.layers[number], importance(inputs[number], decoder.layers[number])), inputs[number]
        router = train_router(x, label_tokens(x, layer, PARAMETERS), PARAMETERS, steps=20)
        with torch.inference_mode():
            logits = router(x)
        elements = SQ7_16.quantise(logits).flatten().tolist()
        for theta in (0.0, 0.5, 0.75, 0.999, 1.0):
            key, closed = threshold(logit(theta), ">", SQ7_16)
            flags = KeyFormat.S24 | Bound.FIELD << 3 | closed << 5
            sent = request(Opcode.FIRST, elements, flags, n=len(elements), z=PARAMETERS.experts, x=key)
            experts, fallback = choose(logits, theta)
            answer = RouterUnit(ROUTER).execute(sent.command, sent.data)
            assert answer.payload[::2] == tuple(experts.tolist())
            assert answer.payload[1::2] == tuple((fallback.long() << 15).tolist())
            problems.append(Problem(sent.command, sent.data))
            chosen.append((experts, fallback))
    assert any(fallback.any() and not fallback.all() for _, fallback in chosen)
    assert len(torch.cat([experts for experts, _ in chosen]).unique()) > 2
    check_packets(problems)


def test_prefixes_of_a_real_mlp_give_the_golden_results(decoder: Decoder, inputs: list[Tensor]) -> None:
    layer = reorder(decoder.layers[9], importance(inputs[9], decoder.layers[9]))
    gate, down = layer.gate[:CUT, :CUT], layer.down[:CUT, :CUT]
    x, products = inputs[9][-1:], []
    hidden = torch.nn.functional.silu(x @ layer.gate.T) * (x @ layer.up.T)
    for name in FORMATS:
        stored = [encode_matrix(matrix, PRESETS[name]) for matrix in (gate, down)]
        for width in expert_widths(CUT, PARAMETERS.experts):
            rows, columns = prefix(stored[0], width, CUT), prefix(stored[1], CUT, width)
            products.append((rows, quantise_activations(x[:, :CUT], ENGINE.activation_bits)[0]))
            products.append((columns, quantise_activations(hidden[:, :width], ENGINE.activation_bits)[0]))
    check_products(ENGINE, products)
