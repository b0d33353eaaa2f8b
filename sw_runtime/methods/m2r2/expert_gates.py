"""M2R2's experts: an MLP's neurons put in order, and gates fitted to predict which of them will be busy."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sw_runtime.methods.decoder import Decoder, dense_weight
from sw_runtime.methods.m2r2.fit import Window
from sw_runtime.progress import progress_bar

RIDGE = 1e-1
"""Share of the inputs' mean power added to every direction."""


def neuron_energies(decoder: Decoder, number: int, normed: Tensor) -> Tensor:
    """Size of what each neuron of an MLP adds to the residual stream: [T, D] → [T, H]."""
    layer = decoder.layers[number]
    activations = torch.nn.functional.silu(layer.gate(normed)) * layer.up(normed)
    energies: Tensor = activations.abs() * dense_weight(layer.down).norm(dim=0)
    return energies


def neuron_order(energies: Tensor) -> Tensor:
    """Neurons in an order that puts those together which are busy together: [T, H] → int64 [H].

    Along the first principal component of their relative energies over tokens.
    """
    torch.manual_seed(0)  # the start of the iteration
    relative = energies / energies.mean(dim=0).clamp(min=1e-9)
    _, _, components = torch.pca_lowrank(relative, q=1, niter=4)
    return torch.argsort(components[:, 0], stable=True)


def fit_expert_gates(decoder: Decoder, windows: Sequence[Window], experts: int) -> list[Tensor]:
    """A gate a layer, [experts, D], that predicts from the MLP's normed input which experts are busier than usual.

    Experts are the MLP's neurons in ``neuron_order``, shared out evenly.
    """
    gates = []
    for number in progress_bar(range(len(decoder.layers)), desc="expert gates", unit="layer"):
        normed = torch.cat(
            [decoder.mlp_input(decoder.layers[number], window.attended[number][1:]) for window in windows]
        )
        energies = neuron_energies(decoder, number, normed)
        busy = energies[:, neuron_order(energies)].view(len(normed), experts, -1).sum(dim=-1).log()
        relative = (busy - busy.mean(dim=0)) / busy.std(dim=0)
        power = normed.T @ normed
        damped = power + RIDGE * power.diagonal().mean() * torch.eye(len(power))
        gates.append(torch.linalg.solve(damped, normed.T @ relative).T)
    return gates
