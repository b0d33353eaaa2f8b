import pytest
import torch
from torch import Tensor

from golden_models.m2r2.experts import ExpertCache as GoldenExpertCache
from golden_models.m2r2.experts import choose_experts as golden_choose_experts
from golden_models.m2r2.experts import mixture
from sw_runtime.methods.m2r2.experts import (
    LoadedExperts,
    choose_experts,
    predicted_layers,
    run_experts,
    split_mlp,
)
from tests.golden_models.m2r2.models import random_adapters
from tests.sw_runtime.methods.models import adapters, both_decoders, decoder_of_six_layers

EXPERTS, ACTIVE, WAYS, RATE = 10, 2, 4, 2
TOKENS = torch.tensor([5, 17, 3, 99, 42, 7, 17, 17, 80, 61])


def sparse_text(ahead: bool) -> tuple[Tensor, LoadedExperts]:
    """Logits of a decoder whose MLPs are experts; the fast stream runs through the slow one's."""
    decoder, accelerators = decoder_of_six_layers(), adapters(random_adapters(3, seed=6))
    generator = torch.Generator().manual_seed(7)
    gates = torch.randn(6, EXPERTS, 64, generator=generator)
    orders = [torch.randperm(100, generator=generator) for _ in decoder.layers]
    stored = [split_mlp(layer, order, EXPERTS) for layer, order in zip(decoder.layers, orders, strict=True)]
    loaded = LoadedExperts(stored, GoldenExpertCache(6, WAYS))
    caches, logits = decoder.caches(), []
    for place, token in enumerate(TOKENS):
        places = decoder.places(torch.tensor([place]))
        slow = fast = decoder.embed(token[None])
        for number, layer in enumerate(decoder.layers):
            if ahead and number < len(accelerators):
                for later in predicted_layers(number, RATE, 6):
                    guess = decoder.mlp_input(decoder.layers[later], fast)[0] @ gates[later].T
                    loaded.prefetch(later, choose_experts(guess, ACTIVE))
            caches[number].write(places.positions, decoder.keys_values(layer, slow, places))
            seen = caches[number].first(place + 1)
            slow, fast_before = decoder.attend(layer, slow, places, seen, None)[0], fast
            fast = decoder.attend(layer, fast, places, seen, None)[0]
            normed = decoder.mlp_input(layer, slow)
            experts = loaded.need(number, choose_experts(normed[0] @ gates[number].T, ACTIVE))
            slow = slow + run_experts(experts, normed)
            if number < len(accelerators):
                fast = fast + run_experts(experts, decoder.mlp_input(layer, fast))
                fast = fast + accelerators[number](fast_before)
        logits.append(decoder.logits(slow)[0])
    return torch.stack(logits), loaded


@pytest.mark.parametrize("chosen", [[0], [3, 7], list(range(EXPERTS))])
def test_some_experts_are_the_golden_mixture(chosen: list[int]) -> None:
    decoder, golden = both_decoders()
    order, normed = torch.randperm(100), torch.randn(4, 64)
    experts = split_mlp(decoder.layers[0], order, EXPERTS)
    ours = run_experts([experts[number] for number in chosen], normed)
    expected = mixture(golden.layers[0], order, EXPERTS, chosen, normed)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)


def test_experts_are_chosen_as_by_the_golden_model_the_first_among_equals() -> None:
    assert choose_experts(torch.tensor([0.5, 2.0, 0.5, 0.5]), 2) == [0, 1]
    for seed in range(20):
        logits = torch.randn(32, generator=torch.Generator().manual_seed(seed)).mul(4).round() / 4
        assert choose_experts(logits, 4) == golden_choose_experts(logits, 4)


def test_loading_ahead_of_time_changes_no_logit_but_only_what_is_ready() -> None:
    (without, late), (with_it, early) = sparse_text(ahead=False), sparse_text(ahead=True)
    assert torch.equal(without, with_it)
    assert late.needed == early.needed == len(TOKENS) * 6 * ACTIVE
    assert late.ready != early.ready
    assert late.needed - late.ready == late.fetched


def test_a_right_guess_makes_an_expert_ready_and_a_wrong_one_costs_a_fetch() -> None:
    loaded = LoadedExperts([[*"abcdef"]], GoldenExpertCache(1, 4))
    loaded.prefetch(0, [1, 2])
    assert loaded.need(0, [2, 3]) == ["c", "d"]
    assert (loaded.ready, loaded.needed, loaded.fetched) == (1, 2, 3)


def test_prefetched_experts_stay_until_their_layer_has_run() -> None:
    loaded = LoadedExperts([[*"abcdef"]], GoldenExpertCache(1, 2))
    loaded.prefetch(0, [0])
    assert loaded.need(0, [1, 2]) == ["b", "c"]  # 2 finds no way but that of 1, which came a moment ago
    assert loaded.need(0, [3, 4]) == ["d", "e"]  # 0 may go by now
    assert loaded.ready == 0


def test_an_expert_that_finds_every_way_pinned_is_used_all_the_same() -> None:
    loaded = LoadedExperts([[*"abcdef"]], GoldenExpertCache(1, 2))
    loaded.prefetch(0, [0, 1])
    assert loaded.need(0, [4, 5]) == ["e", "f"]
    assert (loaded.ready, loaded.fetched) == (0, 4)


@pytest.mark.parametrize(("rate", "layers"), [(1, 5), (2, 6), (2, 7), (3, 30)])
def test_every_layer_but_the_first_is_predicted_once_and_beforehand(rate: int, layers: int) -> None:
    predicted = [(layer, later) for layer in range(layers) for later in predicted_layers(layer, rate, layers)]
    assert all(layer < later for layer, later in predicted)
    assert [later for _, later in predicted] == ([] if rate == 1 else list(range(1, layers)))


def test_neurons_that_cannot_be_shared_out_are_refused() -> None:
    with pytest.raises(ValueError, match="100 neurons cannot be shared out evenly among 7 experts"):
        split_mlp(decoder_of_six_layers().layers[0], torch.arange(100), 7)
