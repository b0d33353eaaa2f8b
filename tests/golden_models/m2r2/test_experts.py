import torch

from golden_models.layers import rms_norm
from golden_models.m2r2.experts import ExpertCache, choose_experts, mixture
from tests.golden_models.m2r2.models import decoder_of_six_layers


def test_all_experts_together_are_the_mlp() -> None:
    decoder = decoder_of_six_layers()
    hidden_states, layer = torch.randn(4, 64), decoder.layers[0]
    normed = rms_norm(hidden_states, layer.mlp_norm, decoder.eps)
    everything = mixture(layer, torch.randperm(100), 10, range(10), normed)
    torch.testing.assert_close(hidden_states + everything, decoder.feed_forward(layer, hidden_states))


def test_an_expert_is_its_neurons_in_the_order_given() -> None:
    layer, normed, order = decoder_of_six_layers().layers[0], torch.randn(4, 64), torch.randperm(100)
    neurons = order[20:30]
    hidden = torch.nn.functional.silu(normed @ layer.gate[neurons].T) * (normed @ layer.up[neurons].T)
    torch.testing.assert_close(mixture(layer, order, 10, [2], normed), hidden @ layer.down[:, neurons].T)


def test_the_first_among_equal_experts_is_chosen() -> None:
    assert choose_experts(torch.tensor([0.5, 2.0, 0.5, 0.5]), 2) == [0, 1]


def test_every_layer_has_its_own_experts() -> None:
    cache = ExpertCache(2, 2)
    assert [lookup.hit for lookup in cache.access(0, [3, 5], pin=True, prefetch=True)] == [False, False]
    assert [lookup.hit for lookup in cache.access(0, [3, 5], pin=False, prefetch=False)] == [True, True]
    assert not cache.access(1, [3], pin=False, prefetch=False)[0].hit
    assert cache.access(0, [7], pin=False, prefetch=False)[0].no_way
    cache.release(0, [3])
    assert cache.access(0, [7], pin=False, prefetch=False)[0].victim == 3
