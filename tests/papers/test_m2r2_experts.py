import torch

from papers.m2r2_experts import fit_expert_gates, mlp_input, neuron_energies, neuron_order
from tests.golden_models.m2r2.models import decoder_of_six_layers
from tests.sw_runtime.generation.test_m2r2_fit import windows


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
