"""DynaMoE on SmolLM2, whose routers alone are trained, and on a small decoder that is fine-tuned as the paper does."""

from collections.abc import Sequence
from contextlib import closing

import torch
from torch import Tensor
from tqdm import tqdm

import seedloom
from formats.errors import InputError
from golden_models.decoder import Decoder
from golden_models.dynamoe import DynaMoEParameters, active_parameters, expert_widths, router_parameters
from papers.claim import Finding
from papers.dynamoe_cycles import ENGINE, expert_cycles, other_cycles
from papers.dynamoe_nested import CheckedChoice, Nested, Point, every_token, judge, label_tokens
from papers.dynamoe_trained import against_fixed_widths
from papers.dynamoe_training import TrainingSizes
from papers.report import Report, on, yes_or_no
from papers.smollm2 import SmolLM2
from sw_runtime.texts.calibration import token_windows
from sw_runtime.texts.corpora import calibration_articles, evaluation_text

PARAMETERS = DynaMoEParameters(theta_label=0.9, router_width=64, language_weight=0.0)
"""E = 4. Only SmolLM2's routers are trained, and they are a quarter as wide as recollected of the paper's."""

SIZES = TrainingSizes()
"""Of the small decoder."""

CHARACTERS = 400_000
"""Of either text, as many are read."""


def curve(nested: Nested, checked: Sequence[CheckedChoice], windows: Tensor) -> dict[str, Point]:
    """Fixed experts, the labels themselves, and routers over θ."""
    choices = {f"all tokens, expert {expert}": every_token(expert) for expert in range(PARAMETERS.experts)}
    choices["labels themselves"] = lambda layer, x: label_tokens(x, nested.decoder.layers[layer], PARAMETERS)
    choices |= {f"θ = {choice.theta}": choice for choice in checked}
    points = {}
    with tqdm(choices.items(), desc="judging", unit="point") as progress:
        for name, choice in progress:
            progress.set_postfix_str(name)
            points[name] = judge(nested, choice, windows, PARAMETERS.experts)
    return points


def curve_figures(decoder: Decoder, total: int, points: dict[str, Point], cycles: Sequence[int]) -> dict[str, str]:
    """Each point with its share of active parameters and its cycles per token, routers included where they choose."""
    figures = {}
    layers, (hidden, dim) = len(decoder.layers), decoder.layers[0].gate.shape
    widths = torch.tensor(expert_widths(hidden, PARAMETERS.experts), dtype=torch.float64)
    others, routers = other_cycles(decoder, PARAMETERS)
    for name, point in points.items():
        active = active_parameters(total, layers, dim, hidden, widths[point.experts].mean().item()) / total
        spent = others + torch.tensor(cycles)[point.experts].sum(dim=0).double().mean().item()
        spent += routers if name.startswith("θ") else 0
        text = f"{100 * active:.0f} % active, {point.nats:.2f} nats, {100 * point.right:.0f} % right"
        ratio = (others + layers * cycles[-1]) / spent
        figures[name] = f"{text}, {spent:,.0f} cycles per token (dense over it: {ratio:.2f})"
    return figures


def measure(
    device: str,
    windows: int = 24,
    held_out: int = 4,
    length: int = 256,
    steps: int = 300,
    thetas: tuple[float, ...] = (0.3, 0.5, 0.7, 0.9),
    sizes: TrainingSizes = SIZES,
    small_held_out: int = 192,
) -> Report:
    """Nest SmolLM2's MLPs and train routers, fine-tune a small decoder so, and follow text against active parameters.

    Parameters
    ----------
    device
        ``"emulated"`` or ``"simulated"``: what chooses the experts, and multiplies by those of one layer.
    windows, held_out, length
        Windows of tokens to learn from and to judge by, multiples of 4, and their length.
    steps
        Of each router's training.
    thetas
        θ at run time.
    sizes, small_held_out
        Of the small decoder that is fine-tuned with its routers, and windows to judge it by.

    Raises
    ------
    InputError
        If the windows are no multiples of 4.
    """
    if windows < 4 or held_out < 4 or windows % 4 or held_out % 4:
        raise InputError(f"windows and held_out must be multiples of 4, not {windows} and {held_out}")
    smollm2 = SmolLM2.load()
    decoder, experts = smollm2.decoder, PARAMETERS.experts
    training = token_windows(calibration_articles()[:CHARACTERS], smollm2.tokenizer, windows, length)
    judged = token_windows(evaluation_text()[:CHARACTERS], smollm2.tokenizer, held_out, length)
    nested = Nested.of(decoder, training, PARAMETERS, steps)

    with closing(seedloom.open_device(device, parameters=ENGINE, router=seedloom.RouterParameters())) as opened:
        checked = [CheckedChoice(opened, nested.routers, theta) for theta in thetas]
        with torch.inference_mode():
            cycles = expert_cycles(opened, nested.decoder.layers[0], decoder.embedding[judged[0, 0]], experts)
        points = curve(nested, checked, judged)
        router_cycles = opened.counters.router_cycles / (len(thetas) * judged.numel())
        tuned, small = against_fixed_widths(opened, sizes, small_held_out, thetas)

    total = sum(parameter.numel() for parameter in smollm2.model.parameters())
    dim = decoder.layers[0].gate.shape[1]
    weights = router_parameters(len(decoder.layers), dim, PARAMETERS.router_width, experts)
    curves = curve_figures(decoder, total, points, cycles)
    figures: dict[str, float | str] = {
        **curves,
        "experts chosen by the device as by the golden model": yes_or_no(all(c.as_golden for c in checked)),
        "router weights, % of the model": 100 * weights / total,
        "router weights at Mistral-7B's shapes, 256 wide": f"{router_parameters(32, 4096, 256, 4):,}",
        "cycles of an MLP, expert by expert": " / ".join(f"{spent:,}" for spent in cycles),
        "router cycles per token, all layers": router_cycles,
        **small,
    }
    counts = {n: p.experts.flatten().bincount(minlength=experts).tolist() for n, p in points.items()}
    details = {"experts": counts, "labels": nested.label_shares}
    dense, gentlest = points[f"all tokens, expert {experts - 1}"], f"θ = {max(thetas)}"
    accuracy = Finding(
        None,
        f"SmolLM2-135M, {training.numel():,} tokens for the routers, {judged.numel():,} to judge by; no Flextron",
        f"experts chosen by the router, {on(device)}; model on the host",
        instead=f"{gentlest}: {curves[gentlest]}; dense {dense.nats:.2f} nats",
    )
    return Report(device, {"accuracy": accuracy, "curve": tuned}, figures, details)
