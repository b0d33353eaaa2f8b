"""DynaMoE's fine-tuning on a small decoder, against fixed widths of the same cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from golden_models.decoder import Decoder
from golden_models.dynamoe import DynaMoEParameters, active_parameters, expert_widths, router_parameters
from papers.claim import Finding
from papers.dynamoe_cycles import expert_cycles
from papers.dynamoe_nested import CheckedChoice, Nested, Point, judge
from papers.dynamoe_training import (
    TrainingSizes,
    ordered_layers,
    small_decoder,
    small_tokenizer,
    train,
    tuned_as_experts,
    tuned_to_width,
)
from papers.questions import interval
from papers.report import on, yes_or_no
from sw_runtime.device.protocol import Device
from sw_runtime.texts.corpora import calibration_articles, evaluation_text
from sw_runtime.texts.tokens import spread_windows

PARAMETERS = DynaMoEParameters(theta_label=0.9, router_width=64)
"""E = 4, and both losses count alike."""


@dataclass(frozen=True)
class Cost:
    """How well held-out text is read at what cost.

    Parameters
    ----------
    active
        Weights that a token meets, in the mean.
    window_nats
        Cross-entropy a token of each held-out window: [windows].
    """

    active: float
    window_nats: Tensor


def line_at(active: float, fixed: Sequence[Cost]) -> Tensor:
    """What fixed widths give at a cost, on the line between the two nearest: [windows].

    Beyond the widest it is the widest: more weights would bring these models nothing.

    Parameters
    ----------
    fixed
        From the narrowest to the widest, at least two.
    """
    for narrow, wide in pairwise(fixed):
        if active <= wide.active:
            share = (active - narrow.active) / (wide.active - narrow.active)
            return narrow.window_nats + share * (wide.window_nats - narrow.window_nats)
    return fixed[-1].window_nats


@torch.inference_mode()
def read(decoder: Decoder, windows: Tensor) -> Tensor:
    """Cross-entropy a token of each window, int64 [windows, length] → [windows]."""
    return torch.stack([torch.nn.functional.cross_entropy(decoder(window)[:-1], window[1:]) for window in windows])


def active_weights(total: int, sizes: TrainingSizes, width: float) -> float:
    """Of a dense decoder's weights, those of a token whose MLPs are so many neurons wide in the mean."""
    return active_parameters(total, sizes.layers, sizes.dim, sizes.hidden, width)


@dataclass(frozen=True)
class Tuned:
    """A trained decoder after its fine-tunings.

    Parameters
    ----------
    weights
        Of the dense decoder.
    fixed
        One fine-tuning for each width, from the narrowest on, as held-out text is read.
    nested
        The fine-tuning of all experts and their routers.
    """

    weights: int
    fixed: list[Cost]
    nested: Nested


def tune(tokens: Tensor, windows: Tensor, sizes: TrainingSizes, thetas: tuple[float, ...]) -> Tuned:
    """Train a decoder on tokens, int64 [n], fine-tune it in each way, and read windows, int64 [windows, length]."""
    model = small_decoder(sizes)
    weights = sum(parameter.numel() for parameter in model.parameters())
    train(model, tokens, sizes, sizes.steps, sizes.learning_rate, "dense decoder")
    layers, fixed = ordered_layers(model, tokens, sizes, PARAMETERS.experts), []
    for width in expert_widths(sizes.hidden, PARAMETERS.experts):
        decoder = tuned_to_width(model, layers, width, tokens, sizes)
        fixed.append(Cost(active_weights(weights, sizes, width), read(decoder, windows)))
    return Tuned(weights, fixed, tuned_as_experts(model, layers, PARAMETERS, thetas, tokens, sizes))


def against_fixed_widths(
    device: Device, sizes: TrainingSizes, held_out: int, thetas: tuple[float, ...]
) -> tuple[Finding, dict[str, float | str]]:
    """Train a decoder on Wikipedia, fine-tune it as nested experts and once for each width, and read other articles.

    Parameters
    ----------
    device
        Chooses the experts, and multiplies by those of one layer.
    sizes
        Of decoder and training.
    held_out
        Windows to judge by.
    thetas
        θ at run time.

    Returns
    -------
    The finding, of the θ at which experts do worst against fixed widths, and all figures.
    """
    learned = calibration_articles()
    tokenizer = small_tokenizer(learned, sizes.vocabulary)
    tokens, judged = (torch.tensor(tokenizer.encode(text).ids) for text in (learned, evaluation_text()))
    windows = spread_windows(judged, held_out, sizes.length)
    tuned = tune(tokens, windows, sizes, thetas)
    checked = [CheckedChoice(device, tuned.nested.routers, theta) for theta in thetas]
    points = [judge(tuned.nested, choice, windows, PARAMETERS.experts) for choice in checked]
    routed = [_cost(point, tuned.weights, sizes) for point in points]
    saved = [line_at(cost.active, tuned.fixed) - cost.window_nats for cost in routed]
    decoder = tuned.nested.decoder
    with torch.inference_mode():
        cycles = expert_cycles(device, decoder.layers[0], decoder.embedding[windows[0, 0]], PARAMETERS.experts)
    widths = expert_widths(sizes.hidden, PARAMETERS.experts)
    figures: dict[str, float | str] = {
        f"small decoder, {width} neurons for all tokens": _shown(cost)
        for width, cost in zip(widths, tuned.fixed, strict=True)
    }
    figures |= {
        f"small decoder, experts by routers, θ = {theta}": f"{_shown(cost)}, {_saved(less)} saved"
        for theta, cost, less in zip(thetas, routed, saved, strict=True)
    }
    figures |= {
        "small decoder, experts chosen by the device as by the golden model": yes_or_no(
            all(choice.as_golden for choice in checked)
        ),
        "small decoder, cycles of an MLP, expert by expert": " / ".join(f"{spent:,}" for spent in cycles),
    }
    worst = min(range(len(thetas)), key=lambda number: saved[number].mean().item())
    step = sizes.batch * sizes.length
    finding = Finding(
        saved[worst].mean().item(),
        f"{tuned.weights:,} weights trained on {sizes.steps * step:,} tokens of Wikipedia, each fine-tuning on "
        f"{sizes.tuning_steps * step:,}; {windows.numel():,} tokens to judge by; θ = {thetas[worst]}, the least "
        f"favourable of {len(thetas)}",
        f"experts chosen by the router, {on(device.info().name)}; model on the host",
        interval(saved[worst]),
    )
    return finding, figures


def _cost(point: Point, total: int, sizes: TrainingSizes) -> Cost:
    """What routed tokens cost, their routers included."""
    widths = torch.tensor(expert_widths(sizes.hidden, PARAMETERS.experts), dtype=torch.float64)
    mean = widths[point.experts].mean().item()
    routers = router_parameters(sizes.layers, sizes.dim, PARAMETERS.router_width, PARAMETERS.experts)
    return Cost(active_weights(total, sizes, mean) + routers, point.window_nats)


def _shown(cost: Cost) -> str:
    return f"{cost.active:,.0f} active weights, {cost.window_nats.mean().item():.3f} nats per token"


def _saved(less: Tensor) -> str:
    low, high = interval(less)
    return f"{less.mean().item():.3f} [{low:.3f}, {high:.3f}]"
