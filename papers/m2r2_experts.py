"""M2R2's experts: an MLP's neurons put in order, and gates fitted to foretell which of them will be busy."""

from collections.abc import Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from golden_models.decoder import Decoder
from golden_models.layers import rms_norm
from sw_runtime.generation.m2r2_fit import Window

RIDGE = 1e-1
"""Share of the inputs' mean power added to every direction."""


def neuron_energies(decoder: Decoder, number: int, normed: Tensor) -> Tensor:
    """Size of what each neuron of an MLP adds to the residual stream: [T, D] → [T, H]."""
    layer = decoder.layers[number]
    activations = torch.nn.functional.silu(normed @ layer.gate.T) * (normed @ layer.up.T)
    energies: Tensor = activations.abs() * layer.down.norm(dim=0)
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
    """A gate a layer, [experts, D], that foretells from the MLP's normed input which experts are busier than usual.

    Experts are the MLP's neurons in ``neuron_order``, shared out evenly.
    """
    gates = []
    for number in tqdm(range(len(decoder.layers)), desc="expert gates", unit="layer"):
        normed = torch.cat([mlp_input(decoder, number, window.attended[number][1:]) for window in windows])
        energies = neuron_energies(decoder, number, normed)
        busy = energies[:, neuron_order(energies)].view(len(normed), experts, -1).sum(dim=-1).log()
        relative = (busy - busy.mean(dim=0)) / busy.std(dim=0)
        power = normed.T @ normed
        damped = power + RIDGE * power.diagonal().mean() * torch.eye(len(power))
        gates.append(torch.linalg.solve(damped, normed.T @ relative).T)
    return gates


def mlp_input(decoder: Decoder, number: int, stream: Tensor) -> Tensor:
    """A stream as a layer's MLP and its gate see it: [T, D] → [T, D]."""
    return rms_norm(stream, decoder.layers[number].mlp_norm, decoder.eps)
