import torch

from sw_runtime.methods.m2r2.expert_gates import fit_expert_gates, neuron_energies, neuron_order
from tests.sw_runtime.methods.m2r2.test_fit import windows
from tests.sw_runtime.methods.models import decoder_of_six_layers


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
    hidden = torch.nn.functional.silu(layer.gate(normed)) * layer.up(normed)
    expected = (hidden[:, :, None] * layer.down.weight.T).norm(dim=-1)
    torch.testing.assert_close(energies, expected)


def test_expert_gates_know_which_experts_are_busier_than_usual() -> None:
    decoder = decoder_of_six_layers()
    fitted_to = windows(decoder)
    gates = fit_expert_gates(decoder, fitted_to, 10)
    assert [gate.shape for gate in gates] == [(10, 64)] * 6
    normed = torch.cat([decoder.mlp_input(decoder.layers[0], window.attended[0][1:]) for window in fitted_to])
    energies = neuron_energies(decoder, 0, normed)
    busy = energies[:, neuron_order(energies)].view(len(normed), 10, -1).sum(dim=-1).log()
    guessed = normed @ gates[0].T
    for expert in range(10):
        assert torch.corrcoef(torch.stack([busy[:, expert], guessed[:, expert]]))[0, 1] > 0.5
