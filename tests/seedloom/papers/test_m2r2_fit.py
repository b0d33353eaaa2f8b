import math

import torch

from golden_models.decoder import Decoder
from golden_models.m2r2.exits import exit_logits, gate_loss
from golden_models.m2r2.residuals import Adapter, M2R2Parameters, read_prompt, run_both
from seedloom.papers.m2r2_fit import (
    Window,
    agreement,
    fit_adapters,
    fit_exit_gates,
    fit_expert_gates,
    follow,
    low_rank,
    mlp_input,
    neuron_energies,
    neuron_order,
)
from tests.golden_models.m2r2.models import decoder_of_six_layers, random_adapters

PARAMETERS = M2R2Parameters(rate=2, rank=4, exits=(2, 3), latent=4)


def texts(count: int = 4, length: int = 60) -> list[torch.Tensor]:
    return list(torch.randint(120, (count, length), generator=torch.Generator().manual_seed(5)))


def windows(decoder: Decoder) -> list[Window]:
    return [Window.of(decoder, tokens) for tokens in texts()]


def test_a_map_of_low_rank_is_found_again() -> None:
    torch.manual_seed(0)
    inputs, wanted = torch.randn(300, 20), torch.randn(20, 3) @ torch.randn(3, 20)
    found = low_rank(inputs, inputs @ wanted, torch.ones(300), 3)
    assert found.up.shape == (20, 3)
    torch.testing.assert_close(found(inputs), inputs @ wanted, rtol=0.01, atol=0.05)


def test_a_window_is_the_slow_stream() -> None:
    decoder, tokens = decoder_of_six_layers(), texts()[0]
    window = Window.of(decoder, tokens)
    assert torch.equal(decoder.logits(window.slow[-1]), decoder(tokens))
    torch.testing.assert_close(window.slow[3], decoder.feed_forward(decoder.layers[2], window.attended[2]))


def test_following_a_window_gives_the_golden_fast_stream() -> None:
    decoder, tokens, adapters = decoder_of_six_layers(), texts()[0], random_adapters(3, 1)
    cache = read_prompt(decoder, tokens[:1])
    golden = run_both(decoder, adapters, tokens, torch.arange(60), cache).fast
    for ours, expected in zip(follow(decoder, adapters, Window.of(decoder, tokens)), golden, strict=True):
        torch.testing.assert_close(ours, expected)


def test_adapters_bring_the_fast_stream_nearer_to_the_slow_one_at_its_horizon() -> None:
    decoder = decoder_of_six_layers()
    fitted_to = windows(decoder)
    adapters, fast = fit_adapters(decoder, fitted_to, PARAMETERS)
    zeros = [Adapter.zero(64, 4)] * 3
    for window, stream in zip(fitted_to, fast, strict=True):
        torch.testing.assert_close(stream[-1], follow(decoder, adapters, window)[-1])
        distances = [(p[1:] - window.slow[6][1:]).norm() for p in (stream[-1], follow(decoder, zeros, window)[-1])]
        assert distances[0] < distances[1]


def test_exit_gates_learn_and_repeat_themselves() -> None:
    decoder = decoder_of_six_layers()
    fitted_to = windows(decoder)
    _, fast = fit_adapters(decoder, fitted_to, PARAMETERS)
    first, second = (fit_exit_gates(decoder, fitted_to, fast, PARAMETERS) for _ in range(2))
    assert torch.equal(first[0].query, second[0].query)
    for number, layer in enumerate(PARAMETERS.exits):
        logits = torch.cat([exit_logits(first, p, PARAMETERS.exits)[:, number] for p in fast])
        agrees = torch.cat([agreement(decoder, p[layer], w.slow[-1]) for p, w in zip(fast, fitted_to, strict=True)])
        assert gate_loss(logits, agrees) < math.log(2)  # what a gate that knows nothing has


def test_neurons_that_are_busy_together_come_together() -> None:
    torch.manual_seed(0)
    groups = torch.arange(40) % 2  # alternating, the worst start
    energies = torch.rand(200, 2)[:, groups] + 0.1 * torch.rand(200, 40)
    order = neuron_order(energies)
    assert sorted(order.tolist()) == list(range(40))
    assert len(set(groups[order[:20]].tolist())) == len(set(groups[order[20:]].tolist())) == 1


def test_energies_are_the_sizes_of_what_neurons_add() -> None:
    decoder = decoder_of_six_layers()
    layer, normed = decoder.layers[1], torch.randn(3, 64)
    energies = neuron_energies(decoder, 1, normed)
    hidden = torch.nn.functional.silu(normed @ layer.gate.T) * (normed @ layer.up.T)
    expected = (hidden[:, :, None] * layer.down.T).norm(dim=-1)
    torch.testing.assert_close(energies, expected)


def test_expert_gates_know_which_experts_are_busier_than_usual() -> None:
    decoder = decoder_of_six_layers()
    fitted_to = windows(decoder)
    gates = fit_expert_gates(decoder, fitted_to, 10)
    assert [gate.shape for gate in gates] == [(10, 64)] * 6
    normed = torch.cat([mlp_input(decoder, 0, window.attended[0][1:]) for window in fitted_to])
    energies = neuron_energies(decoder, 0, normed)
    busy = energies[:, neuron_order(energies)].view(len(normed), 10, -1).sum(dim=-1).log()
    guessed = normed @ gates[0].T
    for expert in range(10):
        assert torch.corrcoef(torch.stack([busy[:, expert], guessed[:, expert]]))[0, 1] > 0.5
