import pytest
import torch
from torch import Tensor

from golden_models.layers import causal_mask, rms_norm
from golden_models.m2r2.experts import (
    GoldenExpertCache,
    LoadedExperts,
    choose_experts,
    foretold_layers,
    run_experts,
    split_mlp,
)
from golden_models.m2r2.residuals import read_prompt
from tests.golden_models.m2r2.models import decoder_of_six_layers, random_adapters

EXPERTS, ACTIVE, WAYS, RATE = 10, 2, 4, 2
TOKENS = torch.tensor([5, 17, 3, 99, 42, 7, 17, 17, 80, 61])


def sparse_text(ahead: bool) -> tuple[Tensor, LoadedExperts]:
    """Logits of a decoder whose MLPs are experts; the fast stream runs through the slow one's."""
    decoder, adapters = decoder_of_six_layers(), random_adapters(3, seed=6)
    generator = torch.Generator().manual_seed(7)
    gates = torch.randn(6, EXPERTS, 64, generator=generator)
    orders = [torch.randperm(100, generator=generator) for _ in decoder.layers]
    stored = [split_mlp(layer, order, EXPERTS) for layer, order in zip(decoder.layers, orders, strict=True)]
    loaded = LoadedExperts(stored, GoldenExpertCache(6, WAYS))
    cache, logits = read_prompt(decoder, TOKENS[:1]), []
    for place, token in enumerate(TOKENS):
        position = torch.tensor([place])
        slow = fast = decoder.embed(token[None])
        for number, layer in enumerate(decoder.layers):
            if ahead and number < len(adapters):
                for later in foretold_layers(number, RATE, 6):
                    guess = rms_norm(fast, decoder.layers[later].mlp_norm, decoder.eps)[0] @ gates[later].T
                    loaded.foretell(later, choose_experts(guess, ACTIVE))
            cache[number] = cache[number].then(decoder.keys_values(layer, slow, position))
            mask = causal_mask(position, torch.arange(place + 1))
            slow, fast_before = decoder.attend(layer, slow, position, cache[number], mask)[0], fast
            fast = decoder.attend(layer, fast, position, cache[number], mask)[0]
            normed = rms_norm(slow, layer.mlp_norm, decoder.eps)
            experts = loaded.need(number, choose_experts(normed[0] @ gates[number].T, ACTIVE))
            slow = slow + run_experts(experts, normed)
            if number < len(adapters):
                fast = fast + run_experts(experts, rms_norm(fast, layer.mlp_norm, decoder.eps))
                fast = fast + adapters[number](fast_before)
        logits.append(decoder.logits(slow)[0])
    return torch.stack(logits), loaded


def test_all_experts_together_are_the_mlp() -> None:
    decoder = decoder_of_six_layers()
    hidden_states, layer = torch.randn(4, 64), decoder.layers[0]
    experts = split_mlp(layer, torch.randperm(100), EXPERTS)
    normed = rms_norm(hidden_states, layer.mlp_norm, decoder.eps)
    torch.testing.assert_close(hidden_states + run_experts(experts, normed), decoder.feed_forward(layer, hidden_states))


def test_loading_ahead_of_time_changes_no_logit_but_only_what_is_ready() -> None:
    (without, late), (with_it, early) = sparse_text(ahead=False), sparse_text(ahead=True)
    assert torch.equal(without, with_it)
    assert late.needed == early.needed == len(TOKENS) * 6 * ACTIVE
    assert late.ready != early.ready
    assert late.needed - late.ready == late.fetched


def test_a_right_guess_makes_an_expert_ready_and_a_wrong_one_costs_a_fetch() -> None:
    loaded = LoadedExperts([[*"abcdef"]], GoldenExpertCache(1, 4))
    loaded.foretell(0, [1, 2])
    assert loaded.need(0, [2, 3]) == ["c", "d"]
    assert (loaded.ready, loaded.needed, loaded.fetched) == (1, 2, 3)


def test_foretold_experts_stay_until_their_layer_has_run() -> None:
    loaded = LoadedExperts([[*"abcdef"]], GoldenExpertCache(1, 2))
    loaded.foretell(0, [0])
    assert loaded.need(0, [1, 2]) == ["b", "c"]  # 2 finds no way but that of 1, which came a moment ago
    assert loaded.need(0, [3, 4]) == ["d", "e"]  # 0 may go by now
    assert loaded.ready == 0


def test_an_expert_that_finds_every_way_pinned_is_used_all_the_same() -> None:
    loaded = LoadedExperts([[*"abcdef"]], GoldenExpertCache(1, 2))
    loaded.foretell(0, [0, 1])
    assert loaded.need(0, [4, 5]) == ["e", "f"]
    assert (loaded.ready, loaded.fetched) == (0, 4)


@pytest.mark.parametrize(("rate", "layers"), [(1, 5), (2, 6), (2, 7), (3, 30)])
def test_every_layer_but_the_first_is_foretold_once_and_beforehand(rate: int, layers: int) -> None:
    foretold = [(layer, later) for layer in range(layers) for later in foretold_layers(layer, rate, layers)]
    assert all(layer < later for layer, later in foretold)
    assert [later for _, later in foretold] == ([] if rate == 1 else list(range(1, layers)))


def test_the_first_among_equal_experts_is_chosen() -> None:
    assert choose_experts(torch.tensor([0.5, 2.0, 0.5, 0.5]), 2) == [0, 1]


def test_neurons_that_cannot_be_shared_out_are_refused() -> None:
    with pytest.raises(ValueError, match="100 neurons cannot be shared out evenly among 7 experts"):
        split_mlp(decoder_of_six_layers().layers[0], torch.arange(100), 7)
