import math
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
import torch

from golden_models.m2r2.exits import ExitGate, choose_exit, exit_logits, gate_loss, intervals, tokens_with_exits
from golden_models.m2r2.residuals import Adapter, M2R2Parameters
from golden_models.m2r2.speculation import greedy
from tests.golden_models.m2r2.models import PROMPT, decoder_of_six_layers, random_adapters

EXITS = (2, 4)
NOTHING = [Adapter.zero(64, 4)] * 4


def random_gates(count: int = 2) -> list[ExitGate]:
    torch.manual_seed(0)
    return [ExitGate(*torch.randn(3, 8, 64), torch.randn(8), torch.randn(())) for _ in range(count)]


def first_tokens(count: int, *arguments: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tokens, and the layers after which they left."""
    tokens, left = zip(*islice(tokens_with_exits(*arguments), count), strict=True)
    return tokens, left


def test_a_gate_is_attention_of_the_last_residual_over_its_interval() -> None:
    gate, residuals = random_gates()[0], torch.randn(3, 5, 64)
    normed = torch.nn.functional.rms_norm(residuals, (64,), eps=0.0).transpose(0, 1)  # [T, k, D]
    mixed = torch.nn.functional.scaled_dot_product_attention(
        normed[:, -1:] @ gate.query.T, normed @ gate.key.T, normed @ gate.value.T
    )
    torch.testing.assert_close(gate(residuals), mixed[:, 0] @ gate.weight + gate.bias)


def test_an_interval_reaches_from_behind_the_last_exit_to_its_own() -> None:
    layers = list(range(7))
    assert [layers[interval] for interval in intervals((2, 3, 6))] == [[1, 2], [3], [4, 5, 6]]


def test_every_exit_has_its_gate() -> None:
    gates, fast = random_gates(), torch.randn(5, 3, 64)
    logits = exit_logits(gates, list(fast), EXITS)
    assert torch.equal(logits[:, 0], gates[0](fast[1:3]))
    assert torch.equal(logits[:, 1], gates[1](fast[3:5]))


def test_the_loss_is_binary_cross_entropy() -> None:
    logits, agrees = torch.randn(20), torch.rand(20) < 0.5
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, agrees.float())
    torch.testing.assert_close(gate_loss(logits, agrees), expected)


def test_the_earliest_exit_above_the_threshold_is_taken_and_equality_is_not_above() -> None:
    logits = torch.tensor([[0.5, 0.6, 2.0], [0.4, 0.5, 0.5], [0.5, 0.1, 0.50002], [9.0, 9.0, 9.0]])
    chosen = choose_exit(logits, M2R2Parameters(threshold=0.5))
    assert chosen.tolist() == [1, 3, 2, 0]


def test_when_nothing_leaves_the_text_is_greedy() -> None:
    decoder, parameters = decoder_of_six_layers(), M2R2Parameters(exits=EXITS, threshold=math.inf)
    tokens, left = first_tokens(8, decoder, random_adapters(4, 1), random_gates(), parameters, PROMPT)
    assert list(tokens) == greedy(decoder, PROMPT, 8)
    assert left == (6,) * 8


def test_when_all_leave_at_once_the_text_is_that_of_the_layers_before_the_exit() -> None:
    decoder, parameters = decoder_of_six_layers(), M2R2Parameters(exits=EXITS, threshold=-math.inf)
    tokens, left = first_tokens(8, decoder, NOTHING, random_gates(), parameters, PROMPT)
    short = replace(decoder, layers=decoder.layers[:2])
    assert list(tokens) == greedy(short, PROMPT, 8)
    assert left == (2,) * 8


def test_a_token_that_leaves_writes_the_later_layers_keys_and_values() -> None:
    """One token leaves and the next stays: the second sees the first in every layer."""
    decoder, parameters = decoder_of_six_layers(), M2R2Parameters(exits=EXITS)
    exits = iter([torch.tensor([0]), torch.tensor([2])])
    tokens, left = first_tokens(2, decoder, NOTHING, random_gates(), parameters, PROMPT, lambda _: next(exits))
    assert left == (2, 6)
    positions, mask = torch.arange(7), torch.ones(7, 7, dtype=torch.bool).tril()
    streams = decoder.embed(torch.tensor([*PROMPT.tolist(), tokens[0]]))
    for number, layer in enumerate(decoder.layers):
        seen = decoder.keys_values(layer, streams, positions)
        attended, _ = decoder.attend(layer, streams, positions, seen, mask)
        after = decoder.feed_forward(layer, attended)
        streams = after if number < 2 else torch.cat([after[:5], streams[5:6], after[6:]])  # it stays as it left
    assert tokens[1] == int(decoder.logits(streams[-1:])[0].argmax())


@pytest.mark.parametrize("threshold", [-math.inf, 0.0, math.inf])
def test_a_threshold_on_a_logit_may_be_any_number(threshold: float) -> None:
    expected = 0 if threshold < 1 else 1
    assert choose_exit(torch.tensor([[1.0]]), M2R2Parameters(threshold=threshold)).tolist() == [expected]
