import itertools
import math
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from golden_models.decoder import Decoder
from golden_models.layers import causal_mask, rms_norm, rotate, swiglu
from golden_models.lazyllm import (
    GoldenTokenSets,
    LazyLLM,
    LazyLLMParameters,
    Step,
    port_rates,
    rates_of_shares,
)
from tests.models import tiny_llama

RATES = {1: 0.3, 2: 0.5, 4: 0.4}
PROMPT, GENERATED = 24, 6


def decoder_of_six_layers() -> Decoder:
    decoder = Decoder.from_transformers(tiny_llama())
    return replace(decoder, layers=decoder.layers * 2)


def chunks() -> list[Tensor]:
    """A prompt, then a token a step."""
    tokens = torch.randint(120, (PROMPT + GENERATED,), generator=torch.Generator().manual_seed(3))
    return [tokens[:PROMPT], *tokens[PROMPT:, None]]


def run(parameters: LazyLLMParameters, sets: GoldenTokenSets | None = None) -> list[Step]:
    model = LazyLLM(decoder_of_six_layers(), parameters, sets)
    return [model.step(fresh) for fresh in chunks()]


@pytest.fixture(scope="module")
def steps() -> list[Step]:
    return run(LazyLLMParameters(RATES))


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
    for step, dense in zip(run(LazyLLMParameters({})), dense_steps(decoder_of_six_layers()), strict=True):
        assert torch.equal(step.logits, dense)


def test_rates_of_zero_are_no_rates() -> None:
    for step, dense in zip(run(LazyLLMParameters({1: 0.0, 4: 0})), run(LazyLLMParameters({})), strict=True):
        assert torch.equal(step.logits, dense.logits)


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


def test_a_dropped_token_above_the_next_steps_cut_comes_back() -> None:
    class Turned(GoldenTokenSets):
        """Scores that turn round from step to step: late tokens, then early ones."""

        def prune(self, layer: int, scores: Tensor, rate: float | Fraction) -> tuple[Tensor, Tensor]:
            tokens = scores.shape[1]
            ranks = torch.arange(tokens) / 1000
            return super().prune(layer, (ranks if tokens % 2 else ranks.flip(0))[None], rate)

    steps = run(LazyLLMParameters({2: 0.5}), Turned(6))
    assert steps[0].attended[3].nonzero().flatten().tolist() == [*range(11), 23]  # the last one counts in the 12
    assert steps[1].revived[3].nonzero().flatten().tolist() == list(range(12, 23))
    assert steps[2].revived[3].nonzero().flatten().tolist() == [11]  # the only one still missing


def test_the_order_of_keys_does_not_matter(steps: list[Step]) -> None:
    class Backwards(GoldenTokenSets):
        def enter(self, layer: int) -> tuple[Tensor, Tensor]:
            cached, revived = super().enter(layer)
            return cached.flip(0), revived.flip(0)

    for step, other in zip(steps, run(LazyLLMParameters(RATES), Backwards(6)), strict=True):
        assert torch.equal(step.attended, other.attended)
        torch.testing.assert_close(step.logits, other.logits)


def test_pairs_are_queries_times_the_keys_that_each_may_see(steps: list[Step]) -> None:
    dense = run(LazyLLMParameters({}))
    assert [step.pairs for step in dense[:2]] == [6 * PROMPT * (PROMPT + 1) // 2, 6 * (PROMPT + 1)]
    first = steps[0]
    expected = sum(n * (n + 1) // 2 for n in first.attended.sum(dim=1).tolist())
    assert first.pairs == expected


def test_a_single_token_is_never_dropped() -> None:
    step = LazyLLM(decoder_of_six_layers(), LazyLLMParameters({0: 0.9, 3: 0.99})).step(torch.tensor([7]))
    assert step.attended.all()


@pytest.mark.parametrize("code", ["sum16", "x24"])
def test_both_codes_of_scores_keep_as_many(code: str, steps: list[Step]) -> None:
    for step, other in zip(run(LazyLLMParameters(RATES, code)), steps, strict=True):
        assert torch.equal(step.attended.sum(dim=1), other.attended.sum(dim=1))


def test_pooling_ranks_a_token_by_its_neighbourhood() -> None:
    class Seen(GoldenTokenSets):
        scores: Tensor

        def prune(self, layer: int, scores: Tensor, rate: float | Fraction) -> tuple[Tensor, Tensor]:
            self.scores = scores
            return super().prune(layer, scores, rate)

    plain, pooled = Seen(6), Seen(6)
    for sets, width in ((plain, 1), (pooled, 3)):
        LazyLLM(decoder_of_six_layers(), LazyLLMParameters({0: 0.5}, pooling=width), sets).step(chunks()[0])
    inner = (plain.scores[:, :-2] + plain.scores[:, 1:-1] + plain.scores[:, 2:]) / 3
    torch.testing.assert_close(pooled.scores[:, 1:-1], inner)
    torch.testing.assert_close(pooled.scores[:, 0], plain.scores[:, :2].mean(dim=1))


def test_the_ports_schedule_keeps_its_depths_and_shares() -> None:
    assert port_rates(32) == {8: Fraction(3, 10), 16: Fraction(1, 2), 24: Fraction(7, 10)}
    assert list(port_rates(30)) == [7, 15, 22]


def test_shares_of_all_tokens_become_rates_of_those_left() -> None:
    assert rates_of_shares({8: 0.7, 16: 0.5, 24: 0.3}) == {8: Fraction(3, 10), 16: Fraction(2, 7), 24: Fraction(2, 5)}


@pytest.mark.parametrize("rates", [{0: 1.0}, {0: -0.1}, {-1: 0.5}])
def test_bad_rates_are_refused(rates: dict[int, float]) -> None:
    with pytest.raises(ValueError, match="a layer is at least 0 and its rate 0 to below 1"):
        LazyLLMParameters(rates)


def test_an_even_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match="pooling must be an odd width, not 4"):
        LazyLLMParameters({}, pooling=4)


def test_a_rate_after_the_last_layer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rates are for layers 0 to 4, not \[5\]"):
        LazyLLM(decoder_of_six_layers(), LazyLLMParameters({5: 0.5}))


def test_a_step_without_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        LazyLLM(decoder_of_six_layers(), LazyLLMParameters({})).step(torch.tensor([], dtype=torch.int64))
