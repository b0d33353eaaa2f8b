"""Which layers can do with fewer bits: formats chosen by measured sensitivity under a budget.

To second order, weight errors ``E`` of a layer raise the KL divergence from the dense model by
``½ E[(gᵀ E x)²]`` a token, ``x`` being the layer's input and ``g`` the gradient at its output of the log
probability of a token drawn from the model itself (the Fisher information). With ``g`` and ``x`` taken
as independent and each row's error as spread by error feedback, that is

    ½ · ε² · Σ_j U_jj⁻² · Σ_r mean(g_r²) · mean_j(W_rj²),

``ε`` being the format's error on ordinary weights and ``U`` the factor of ``feedback.inverse_factor``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from formats.errors import InputError
from formats.presets import preset_named
from sw_runtime.fit.feedback import inverse_factor
from sw_runtime.fit.layerwise import SharedInput, Stage, visit_stages
from sw_runtime.nn.places import place_in
from sw_runtime.progress import progress_bar

GRADIENT_WINDOWS = 4
"""Windows that the gradients are measured on."""

SCALE_BITS = 16
"""Bits of a row's scale."""

ROWS_AT_ONCE = 512
"""Rows of weights squared at once: bounds the memory for float64 copies."""


@dataclass(frozen=True)
class Sensitivity:
    """Expected rise of the KL divergence for a relative weight error of 1 in one layer, and the layer's size."""

    divergence: float
    rows: int
    columns: int

    def cost(self, format: str) -> float:
        """Expected KL divergence, nats per token, with the layer in a format."""
        return self.divergence * preset_named(format).ordinary_error ** 2

    def bits(self, format: str) -> int:
        """Stored bits with the layer in a format, row scales included."""
        return self.rows * (8 * preset_named(format).layout.row_bytes(self.columns) + SCALE_BITS)


def check_bits(shapes: list[tuple[int, int]], bits: float, mixed: tuple[str, ...]) -> None:
    """Refuse a budget that no choice of formats for layers of these shapes, (rows, columns), meets.

    Raises
    ------
    InputError
        If the bits are fewer than the least format takes, or more than the largest.
    """
    layers = [Sensitivity(0.0, *shape) for shape in shapes]
    weights = sum(rows * columns for rows, columns in shapes)
    least, most = (sum(layer.bits(format) for layer in layers) / max(1, weights) for format in (mixed[0], mixed[-1]))
    if not least <= bits <= most:
        raise InputError(
            f"bits must be from {least:.3f} to {most:.3f} for these layers, row scales included, not {bits:g}"
        )


def choose_formats(sensitivities: Mapping[str, Sensitivity], bits: float, mixed: tuple[str, ...]) -> dict[str, str]:
    """Formats of all layers whose bits per weight stay within ``bits`` and whose expected divergence is least.

    Greedy: all layers start with the fewest bits, and the step up that saves most divergence a bit is
    taken while it fits. Errors fall by about 4 with every bit, so the steps of a layer come in order.

    Parameters
    ----------
    sensitivities
        Of the layers, by name.
    bits
        Stored bits per weight, row scales included.
    mixed
        The formats to choose from, from fewest to most bits: ``formats.presets.mixed_formats``.

    Raises
    ------
    InputError
        If no choice fits the budget.
    """
    check_bits([(layer.rows, layer.columns) for layer in sensitivities.values()], bits, mixed)
    formats = dict.fromkeys(sensitivities, mixed[0])
    weights = sum(layer.rows * layer.columns for layer in sensitivities.values())
    spare = bits * weights - sum(layer.bits(mixed[0]) for layer in sensitivities.values())
    steps = [
        ((layer.cost(low) - layer.cost(high)) / max(1, layer.bits(high) - layer.bits(low)), name, low, high)
        for name, layer in sensitivities.items()
        for low, high in pairwise(mixed)
    ]
    for _, name, low, high in sorted(steps, reverse=True):
        price = sensitivities[name].bits(high) - sensitivities[name].bits(low)
        if formats[name] == low and price <= spare:
            formats[name], spare = high, spare - price
    return formats


def measure_sensitivities(model: nn.Module, windows: Tensor, names: list[str]) -> dict[str, Sensitivity]:
    """Sensitivity of the chosen linear layers of a transformers model, the weights left as they are.

    Parameters
    ----------
    windows
        Token ids, int64 [windows, length].
    """
    gradients = _mean_square_gradients(model, windows[:GRADIENT_WINDOWS], names)
    found: dict[str, Sensitivity] = {}

    with progress_bar(total=len(names), desc="inputs", unit="layer") as bar:

        def visit(stage: Stage, measure: Any) -> None:
            for group in measure():
                found.update(_group_sensitivities(model, group, gradients))
            bar.update(len(stage.names))

        visit_stages(model, windows, names, visit)
    return {name: found[name] for name in names if name in found}


def _group_sensitivities(
    model: nn.Module, group: SharedInput, gradients: Mapping[str, Tensor]
) -> dict[str, Sensitivity]:
    input_cost = inverse_factor(group.statistics.calibration.capped).diagonal().pow(-2).sum()
    found = {}
    for name in group.names:
        weights = place_in(model, name).weights
        mean_squares = torch.cat([rows.double().square().mean(dim=1) for rows in torch.split(weights, ROWS_AT_ONCE)])
        row_cost = (gradients[name] * mean_squares).sum()
        found[name] = Sensitivity((input_cost * row_cost / 2).item(), *weights.shape)
    return found


def _mean_square_gradients(model: Any, windows: Tensor, names: list[str]) -> dict[str, Tensor]:
    """Mean over tokens of the squared gradient at every layer's outputs: float64 [rows] by name."""
    totals = {name: torch.zeros(1, dtype=torch.float64) for name in names}

    def add(name: str, gradients: tuple[Tensor, ...]) -> None:
        totals[name] = totals[name] + gradients[0].flatten(0, -2).double().square().sum(dim=0)

    hooks = [
        model.get_submodule(name).register_full_backward_hook(lambda _, __, outputs, name=name: add(name, outputs))
        for name in names
    ]
    generator = torch.Generator().manual_seed(0)
    try:
        with _gradients_of_hidden_states_only(model):
            for window in progress_bar(windows, desc="sensitivity", unit="window"):
                log_probabilities = model(input_ids=window[None], use_cache=False).logits[0].float().log_softmax(dim=-1)
                drawn = torch.multinomial(log_probabilities.detach().exp(), 1, generator=generator)
                log_probabilities.gather(1, drawn).sum().backward()
    finally:
        for hook in hooks:
            hook.remove()
    return {name: total / windows.numel() for name, total in totals.items()}


@contextmanager
def _gradients_of_hidden_states_only(model: Any) -> Iterator[None]:
    """Gradients start at the embedding's output; none are formed for the weights, which saves a third of the work."""
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in learned:
        parameter.requires_grad_(False)
    start = model.get_input_embeddings().register_forward_hook(lambda _, __, outputs: outputs.requires_grad_())
    try:
        yield
    finally:
        start.remove()
        for parameter in learned:
            parameter.requires_grad_()
