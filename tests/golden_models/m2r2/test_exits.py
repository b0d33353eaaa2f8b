import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import islice

import pytest
import torch
from torch import Tensor

from golden_models.decoder import Decoder
from golden_models.m2r2.exits import ExitGate, choose_exit, exit_logits, tokens_with_exits
from golden_models.m2r2.residuals import Adapter
from golden_models.m2r2.speculation import greedy
from tests.golden_models.m2r2.models import PROMPT, decoder_of_six_layers, random_adapters

EXITS = (2, 4)


def random_gates(count: int = 2) -> list[ExitGate]:
    torch.manual_seed(0)
    return [ExitGate(*torch.randn(3, 8, 64), torch.randn(8), torch.randn(())) for _ in range(count)]


def first_tokens(
    count: int, decoder: Decoder, adapters: list[Adapter], choose: Callable[[Tensor], int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tokens, and the layers after which they left."""
    found = tokens_with_exits(decoder, adapters, random_gates(), EXITS, PROMPT, choose)
    tokens, left = zip(*islice(found, count), strict=True)
    return tokens, left


def test_a_gate_is_attention_of_the_last_residual_over_its_interval() -> None:
    gate, residuals = random_gates()[0], torch.randn(3, 64)
    normed = torch.nn.functional.rms_norm(residuals, (64,), eps=0.0)
    mixed = torch.nn.functional.scaled_dot_product_attention(
        normed[-1:] @ gate.query.T, normed @ gate.key.T, normed @ gate.value.T
    )
    torch.testing.assert_close(gate(residuals), mixed[0] @ gate.weight + gate.bias)


def test_every_exit_has_its_gate_and_the_layers_after_the_exit_before() -> None:
    gates, fast = random_gates(), torch.randn(5, 64)
    logits = exit_logits(gates, list(fast), EXITS)
    assert torch.equal(logits[0], gates[0](fast[1:3]))
    assert torch.equal(logits[1], gates[1](fast[3:5]))


@pytest.mark.parametrize(
    ("logits", "chosen"),
    [([0.5, 0.6, 2.0], 1), ([0.4, 0.5, 0.5], 3), ([0.5, 0.1, 0.50002], 2), ([9.0, 9.0, 9.0], 0)],
)
def test_the_earliest_exit_above_the_threshold_is_taken_and_equality_is_not_above(
    logits: list[float], chosen: int
) -> None:
    assert choose_exit(torch.tensor(logits), 0.5) == chosen


@pytest.mark.parametrize(("theta", "chosen"), [(-math.inf, 0), (0.0, 0), (math.inf, 1)])
def test_a_threshold_on_a_logit_may_be_any_number(theta: float, chosen: int) -> None:
    assert choose_exit(torch.tensor([1.0]), theta) == chosen


def test_when_nothing_leaves_the_text_is_greedy() -> None:
    decoder = decoder_of_six_layers()
    tokens, left = first_tokens(8, decoder, random_adapters(4, 1), partial(choose_exit, theta=math.inf))
    assert list(tokens) == greedy(decoder, PROMPT, 8)
    assert left == (6,) * 8


def test_when_all_leave_at_once_the_text_is_that_of_the_layers_before_the_exit() -> None:
    decoder, nothing = decoder_of_six_layers(), [Adapter(torch.zeros(64, 4), torch.zeros(4, 64))] * 4
    tokens, left = first_tokens(8, decoder, nothing, partial(choose_exit, theta=-math.inf))
    assert list(tokens) == greedy(replace(decoder, layers=decoder.layers[:2]), PROMPT, 8)
    assert left == (2,) * 8
