import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

from golden_models.decoder import Decoder
from golden_models.layers import causal_mask, rms_norm, rotate, swiglu
from golden_models.lazyllm import LazyLLM, Step
from tests.models import tiny_llama

RATES = {1: 0.3, 2: 0.5, 4: 0.4}
PROMPT, GENERATED = 24, 6


def decoder_of_six_layers() -> Decoder:
    decoder = Decoder.from_transformers(tiny_llama())
    return replace(decoder, layers=decoder.layers * 2)


def chunks() -> list[Tensor]:
    """A prompt, then a token per step."""
    tokens = torch.randint(120, (PROMPT + GENERATED,), generator=torch.Generator().manual_seed(3))
    return [tokens[:PROMPT], *tokens[PROMPT:, None]]


def run(rates: Mapping[int, float], **options: Any) -> list[Step]:
    model = LazyLLM(decoder_of_six_layers(), rates, **options)
    return [model.step(fresh) for fresh in chunks()]


@pytest.fixture(scope="module")
def steps() -> list[Step]:
    return run(RATES)


def dense_steps(decoder: Decoder) -> list[Tensor]:
    """Logits of every step with an ordinary cache."""
    cache, logits, before = {}, [], 0
    for fresh in chunks():
        positions = torch.arange(before, before + len(fresh))
        before += len(fresh)
        hidden_states = decoder.embed(fresh)
        for number, layer in enumerate(decoder.layers):
            new = decoder.keys_values(layer, hidden_states, positions)
            cache[number] = cache[number].then(new) if number in cache else new
            mask = causal_mask(positions, torch.arange(before))
            hidden_states, _ = decoder.attend(layer, hidden_states, positions, cache[number], mask)
            hidden_states = decoder.feed_forward(layer, hidden_states)
        logits.append(decoder.logits(hidden_states[-1:])[0])
    return logits


class OneByOne:
    """The method again, a token, a head and a layer at a time, with dictionaries and Python's sort."""

    def __init__(self, decoder: Decoder, rates: dict[int, float]) -> None:
        self.decoder, self.rates, self.known = decoder, rates, 0
        self.keys_values: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        self.aside: dict[tuple[int, int], Tensor] = {}

    def step(self, fresh: Tensor) -> tuple[Tensor, list[set[int]], list[set[int]]]:
        """Logits, then tokens attended to and computed, a set a layer."""
        hidden = {self.known + i: self.decoder.embedding[token] for i, token in enumerate(fresh.tolist())}
        self.known += len(fresh)
        last, selected = self.known - 1, set(range(self.known))
        attended, computed = [], []
        for number in range(len(self.decoder.layers)):
            for token in selected:
                if (number, token) not in self.keys_values and token not in hidden:
                    hidden[token] = self.aside[number - 1, token]
            attended.append(set(selected))
            computed.append(set(hidden))
            hidden, scores = self._layer(number, hidden, selected, last)
            dropped = self._dropped(number, scores, last)
            self.aside |= {(number, token): hidden[token] for token in dropped & set(hidden)}
            selected -= dropped
            hidden = {token: row for token, row in hidden.items() if token not in dropped}
        return self.decoder.logits(hidden[last][None])[0], attended, computed

    def _layer(
        self, number: int, hidden: dict[int, Tensor], selected: set[int], last: int
    ) -> tuple[dict[int, Tensor], dict[int, int]]:
        layer, decoder = self.decoder.layers[number], self.decoder
        queries = {}
        for token, row in hidden.items():
            normed = rms_norm(row, layer.attention_norm, decoder.eps)
            angles = decoder.angles(torch.tensor([token]))
            heads = (normed @ layer.query.T).view(decoder.heads, 1, -1)
            keys = (normed @ layer.key.T).view(decoder.kv_heads, 1, -1)
            queries[token] = rotate(heads, angles)[:, 0]
            values = (normed @ layer.value.T).view(decoder.kv_heads, -1)
            self.keys_values[number, token] = rotate(keys, angles)[:, 0], values
        after, scores = {}, dict.fromkeys(selected, 0)
        for token, row in hidden.items():
            seen = sorted(other for other in selected if other <= token)
            outputs = []
            for head, query in enumerate(queries[token]):
                group = head * decoder.kv_heads // decoder.heads
                keys_values = [self.keys_values[number, other] for other in seen]
                products = torch.stack([query @ keys[group] / math.sqrt(len(query)) for keys, _ in keys_values])
                weights = products.softmax(dim=0)
                outputs.append(sum(w * values[group] for w, (_, values) in zip(weights, keys_values, strict=True)))
                if token == last:
                    for other, weight in zip(seen, weights.tolist(), strict=True):
                        scores[other] += min(round(weight * 65536), 65535)
            attended = row + torch.cat(outputs) @ layer.output.T
            normed = rms_norm(attended, layer.mlp_norm, decoder.eps)
            after[token] = attended + swiglu(normed, layer.gate, layer.up, layer.down)
        return after, scores

    def _dropped(self, number: int, scores: dict[int, int], last: int) -> set[int]:
        order = sorted(scores, key=lambda token: (token != last, -scores[token], token))
        kept = len(order) - math.floor(Fraction(str(self.rates.get(number, 0))) * len(order))
        return set(order[kept:])


def members(masks: Tensor) -> list[set[int]]:
    return [set(mask.nonzero().flatten().tolist()) for mask in masks]


def test_without_rates_every_step_is_the_dense_models() -> None:
    for step, dense in zip(run({}), dense_steps(decoder_of_six_layers()), strict=True):
        torch.testing.assert_close(step.logits, dense)


def test_a_second_formulation_token_by_token_agrees(steps: list[Step]) -> None:
    oracle = OneByOne(decoder_of_six_layers(), RATES)
    for step, fresh in zip(steps, chunks(), strict=True):
        logits, attended, computed = oracle.step(fresh)
        assert members(step.attended) == attended
        assert members(step.computed) == computed
        torch.testing.assert_close(step.logits, logits)


def test_survivors_are_nested_and_hold_the_last_token(steps: list[Step]) -> None:
    for step in steps:
        assert not (step.attended[1:] & ~step.attended[:-1]).any()
        assert step.attended[:, -1].all()
        assert step.computed[:, -1].all()


def test_a_rate_drops_its_share_of_the_tokens_attended_to_rounded_down(steps: list[Step]) -> None:
    for step in steps:
        counts = step.attended.sum(dim=1).tolist()
        for layer, (here, later) in enumerate(itertools.pairwise(counts)):
            assert here - later == math.floor(Fraction(str(RATES.get(layer, 0))) * here)


def test_a_token_is_computed_at_most_once_at_a_layer(steps: list[Step]) -> None:
    tokens = PROMPT + GENERATED
    times = sum(torch.nn.functional.pad(s.computed, (0, tokens - s.computed.shape[1])).long() for s in steps)
    assert isinstance(times, Tensor)
    assert int(times.max()) == 1
    assert int(times.sum()) < times.numel()  # never more than dense, here less
    assert times[0].all()


def test_tokens_come_back_after_the_first_step_and_only_behind_a_layer_that_drops(steps: list[Step]) -> None:
    assert not steps[0].revived.any()
    for layer in range(6):
        assert any(step.revived[layer].any() for step in steps) == (layer - 1 in RATES)


def test_a_token_that_stopped_goes_on_from_the_state_that_it_had(steps: list[Step]) -> None:
    model = LazyLLM(decoder_of_six_layers(), RATES)
    came_back = 0
    for fresh in chunks():
        known, states = model.known.clone(), model.states.clone()
        step = model.step(fresh)
        assert torch.equal(model.states[:, : states.shape[1]][known], states[known])
        came_back += int(step.revived.sum())
    assert came_back == sum(int(step.revived.sum()) for step in steps) > 0


def test_a_single_token_is_never_dropped() -> None:
    assert LazyLLM(decoder_of_six_layers(), {0: 0.9, 3: 0.99}).step(torch.tensor([7])).attended.all()


@pytest.mark.parametrize("code", ["sum16", "x24"])
def test_both_codes_of_scores_keep_as_many(code: str, steps: list[Step]) -> None:
    for step, other in zip(run(RATES, score_code=code), steps, strict=True):
        assert torch.equal(step.attended.sum(dim=1), other.attended.sum(dim=1))


def test_pooling_ranks_a_token_by_its_neighbourhood() -> None:
    model = LazyLLM(decoder_of_six_layers(), {}, pooling=3)
    scores, selected = torch.rand(2, 6), torch.tensor([True, False, True, True, False, True])
    there = scores[:, selected]
    expected = torch.stack(
        [there[:, :2].mean(dim=1), there[:, :3].mean(dim=1), there[:, 1:].mean(dim=1), there[:, 2:].mean(dim=1)], dim=1
    )
    torch.testing.assert_close(model._pooled(scores, selected)[:, selected], expected)
