"""The loop that generates, its sets in a device's router, held to the golden model."""

from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

from formats.router.descriptor import RouterParameters
from golden_models.lazyllm import LazyLLM as GoldenLazyLLM
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.decoder import Decoder, causal_mask
from sw_runtime.methods.lazyllm.loop import LazyLLM, Step, TokenSets
from sw_runtime.methods.lazyllm.on_device import RouterTokenSets
from sw_runtime.methods.lazyllm.schedule import LazyLLMParameters
from tests.sw_runtime.methods.models import SHAPES, both_decoders, decoder_of_six_layers

ROUTER = RouterParameters(keys=64, slots=32)
RATES = {0: 0.3, 2: 0.5}
PROMPT, GENERATED = 24, 6


def chunks(seed: int = 3) -> list[Tensor]:
    """A prompt, then a token per step."""
    tokens = torch.randint(120, (PROMPT + GENERATED,), generator=torch.Generator().manual_seed(seed))
    return [tokens[:PROMPT], *tokens[PROMPT:, None]]


def sets(layers: int = 6) -> RouterTokenSets:
    return RouterTokenSets(EmulatedDevice(router=ROUTER), layers)


def run(parameters: LazyLLMParameters, token_sets: TokenSets | None = None) -> list[Step]:
    model = LazyLLM(decoder_of_six_layers(), parameters, token_sets or sets())
    return [model.step(fresh) for fresh in chunks()]


def dense_steps(decoder: Decoder) -> list[Tensor]:
    """Logits of every step with an ordinary cache."""
    caches, logits, before = decoder.caches(), [], 0
    for fresh in chunks():
        places = decoder.places(torch.arange(before, before + len(fresh)))
        before += len(fresh)
        hidden_states = decoder.embed(fresh)
        for layer, cache in zip(decoder.layers, caches, strict=True):
            cache.write(places.positions, decoder.keys_values(layer, hidden_states, places))
            mask = causal_mask(places.positions, torch.arange(before))
            hidden_states, _ = decoder.attend(layer, hidden_states, places, cache.first(before), mask)
            hidden_states = decoder.feed_forward(layer, hidden_states)
        logits.append(decoder.logits(hidden_states[-1:])[0])
    return logits


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("options", [{}, {"score_code": "x24"}, {"pooling": 3}])
def test_sets_and_logits_are_the_golden_models(shape: dict[str, int], options: dict[str, Any]) -> None:
    decoder, golden_decoder = both_decoders(**shape)
    layers = len(decoder.layers)
    token_sets = RouterTokenSets(EmulatedDevice(router=ROUTER), layers, options.get("score_code", "sum16"))
    ours, golden = (
        LazyLLM(decoder, LazyLLMParameters(RATES, **options), token_sets),
        GoldenLazyLLM(golden_decoder, RATES, **options),
    )
    came_back = 0
    for fresh in chunks():
        step, expected = ours.step(fresh), golden.step(fresh)
        assert torch.equal(step.attended, expected.attended)
        assert torch.equal(step.computed, expected.computed)
        assert torch.equal(step.revived, expected.revived)
        torch.testing.assert_close(step.logits, expected.logits, atol=1e-4, rtol=1e-4)
        came_back += int(step.revived.sum())
    assert came_back


def test_without_rates_every_step_is_the_dense_models_bit_for_bit() -> None:
    for step, dense in zip(run(LazyLLMParameters({})), dense_steps(decoder_of_six_layers()), strict=True):
        assert torch.equal(step.logits, dense)


def test_rates_of_zero_are_no_rates() -> None:
    for step, dense in zip(run(LazyLLMParameters({1: 0.0, 4: 0})), run(LazyLLMParameters({})), strict=True):
        assert torch.equal(step.logits, dense.logits)


def test_a_dropped_token_above_the_next_steps_cut_comes_back() -> None:
    class Turned(RouterTokenSets):
        """Scores that turn round from step to step: late tokens, then early ones."""

        def prune(self, layer: int, scores: Tensor, rate: float | Fraction) -> tuple[Tensor, Tensor]:
            tokens = scores.shape[1]
            ranks = torch.arange(tokens) / 1000
            return super().prune(layer, (ranks if tokens % 2 else ranks.flip(0))[None], rate)

    steps = run(LazyLLMParameters({2: 0.5}), Turned(EmulatedDevice(router=ROUTER), 6))
    assert steps[0].attended[3].nonzero().flatten().tolist() == [*range(11), 23]  # the last one counts in the 12
    assert steps[1].revived[3].nonzero().flatten().tolist() == list(range(12, 23))
    assert steps[2].revived[3].nonzero().flatten().tolist() == [11]  # the only one still missing


def test_the_order_of_keys_does_not_matter() -> None:
    class Backwards(RouterTokenSets):
        def enter(self, layer: int) -> tuple[Tensor, Tensor]:
            cached, revived = super().enter(layer)
            return cached.flip(0), revived.flip(0)

    parameters = LazyLLMParameters(RATES)
    backwards = run(parameters, Backwards(EmulatedDevice(router=ROUTER), 6))
    for step, other in zip(run(parameters), backwards, strict=True):
        assert torch.equal(step.attended, other.attended)
        torch.testing.assert_close(step.logits, other.logits)


def test_pairs_are_queries_times_the_keys_that_each_may_see() -> None:
    dense = run(LazyLLMParameters({}))
    assert [step.pairs for step in dense[:2]] == [6 * PROMPT * (PROMPT + 1) // 2, 6 * (PROMPT + 1)]
    first = run(LazyLLMParameters(RATES))[0]
    assert first.pairs == sum(n * (n + 1) // 2 for n in first.attended.sum(dim=1).tolist())


def test_a_single_token_is_never_dropped() -> None:
    step = LazyLLM(decoder_of_six_layers(), LazyLLMParameters({0: 0.9, 3: 0.99}), sets()).step(torch.tensor([7]))
    assert step.attended.all()


def test_a_rate_after_the_last_layer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rates are for layers 0 to 4, not \[5\]"):
        LazyLLM(decoder_of_six_layers(), LazyLLMParameters({5: 0.5}), sets())


def test_a_step_without_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        LazyLLM(decoder_of_six_layers(), LazyLLMParameters({}), sets()).step(torch.tensor([], dtype=torch.int64))
