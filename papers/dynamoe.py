"""DynaMoE on SmolLM2: nested MLPs, routers trained on Wikipedia, and what θ costs in text and saves in cycles."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from tqdm import tqdm

import seedloom
from formats.activations import quantise_activations
from formats.engine import EngineParameters
from formats.errors import InputError
from formats.presets import PRESETS
from golden_models.decoder import Decoder, DecoderLayer
from golden_models.dynamoe import (
    Choice,
    DifficultyRouter,
    DynaMoEParameters,
    active_parameters,
    choose,
    expert_output,
    expert_widths,
    importance,
    labels,
    likeness,
    nested_logits,
    prefix,
    reorder,
    router_loss,
    router_parameters,
)
from papers.claim import Finding
from papers.report import Report, on, yes_or_no
from papers.smollm2 import SmolLM2
from sw_runtime.device.cost import pass_cost
from sw_runtime.device.protocol import Device
from sw_runtime.methods.dynamoe import on_device
from sw_runtime.search.search import encode_matrix
from sw_runtime.texts.calibration import token_windows
from sw_runtime.texts.corpora import calibration_articles, evaluation_text

ENGINE = EngineParameters(("scaled-4bit",))
PARAMETERS = DynaMoEParameters(theta_label=0.9, router_width=64, language_weight=0.0)
"""E = 4. Only the routers are trained, and they are a quarter as wide as recollected of the paper's."""

BATCH, LEARNING_RATE = 256, 3e-3
CHARACTERS = 400_000
"""Of either text, as many are read."""


@torch.inference_mode()
def mlp_inputs(decoder: Decoder, windows: Tensor, experts: int) -> list[Tensor]:
    """What every layer's MLP is given in the dense model: int64 [windows, length] → [windows · length, D] a layer."""
    seen: list[list[Tensor]] = [[] for _ in decoder.layers]
    dense = every_token(experts - 1)

    def note(layer: int, x: Tensor) -> Tensor:
        seen[layer].append(x)
        return dense(layer, x)

    for window in tqdm(windows, desc="reading", unit="window"):
        nested_logits(decoder, note, experts, window)
    return [torch.cat(x) for x in seen]


@torch.inference_mode()
def label_tokens(x: Tensor, layer: DecoderLayer, parameters: DynaMoEParameters) -> Tensor:
    """The smallest expert that is enough for each token: [T, D] → int64 [T]."""
    widths = expert_widths(layer.gate.shape[0], parameters.experts)
    outputs = torch.stack([expert_output(x, layer, width) for width in widths])
    return labels(likeness(outputs, parameters.likeness), parameters.theta_label)


def train_router(x: Tensor, label: Tensor, parameters: DynaMoEParameters, steps: int) -> DifficultyRouter:
    """A layer's router, always from the same start: [T, D], int64 [T]."""
    torch.manual_seed(0)
    router = DifficultyRouter(x.shape[1], parameters)
    optimiser = torch.optim.AdamW(router.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    for _ in range(steps):
        batch = torch.randint(len(x), (BATCH,))
        loss = router_loss(router(x[batch]), label[batch])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return router.eval()


@dataclass(frozen=True)
class Nested:
    """A decoder with its most important neurons first, and a router a layer."""

    decoder: Decoder
    routers: list[DifficultyRouter]
    label_shares: list[float]

    @classmethod
    def of(cls, decoder: Decoder, windows: Tensor, parameters: DynaMoEParameters, steps: int) -> "Nested":
        """Reorder by importance, label and train, layer by layer, on token windows."""
        layers, routers, counts = [], [], torch.zeros(parameters.experts, dtype=torch.int64)
        inputs = mlp_inputs(decoder, windows, parameters.experts)
        for layer, x in zip(tqdm(decoder.layers, desc="training routers", unit="layer"), inputs, strict=True):
            layers.append(reorder(layer, importance(x, layer)))
            label = label_tokens(x, layers[-1], parameters)
            counts += label.bincount(minlength=parameters.experts)
            routers.append(train_router(x, label, parameters, steps))
        return cls(replace(decoder, layers=tuple(layers)), routers, (counts / counts.sum()).tolist())


@dataclass(frozen=True)
class Point:
    """One point of a curve.

    Parameters
    ----------
    nats, right
        Cross-entropy a token, and share of tokens predicted, on held-out text.
    experts
        int64 [layers, tokens].
    """

    nats: float
    right: float
    experts: Tensor = field(repr=False)


@torch.inference_mode()
def judge(nested: Nested, choice: Choice, windows: Tensor, experts: int) -> Point:
    """How well text is predicted when experts are chosen so: int64 [windows, length]."""
    nats, right, chosen = [], [], []
    for window in windows:
        logits, took = nested_logits(nested.decoder, choice, experts, window)
        nats.append(torch.nn.functional.cross_entropy(logits[:-1], window[1:]))
        right.append((logits[:-1].argmax(dim=-1) == window[1:]).double().mean())
        chosen.append(took)
    return Point(torch.stack(nats).mean().item(), torch.stack(right).mean().item(), torch.cat(chosen, dim=1))


def every_token(expert: int) -> Choice:
    """The same expert for all tokens in all layers."""
    return lambda _, x: torch.full((len(x),), expert)


class CheckedChoice:
    """Experts as a device's router chooses them, each time compared with the golden model.

    Parameters
    ----------
    device
        A device with a router.
    routers
        One a layer.
    theta
        θ at run time, a probability.
    """

    def __init__(self, device: Device, routers: Sequence[DifficultyRouter], theta: float) -> None:
        self.device, self.routers, self.theta = device, routers, theta
        self.as_golden = True

    def __call__(self, layer: int, x: Tensor) -> Tensor:
        """[T, D] → int64 [T]."""
        logits = self.routers[layer](x)
        experts, fallback = on_device.choose(self.device, logits, self.theta)
        golden = choose(logits, self.theta)
        self.as_golden &= torch.equal(experts, golden[0]) and torch.equal(fallback, golden[1])
        return experts


def expert_cycles(device: Device, layer: DecoderLayer, x: Tensor, experts: int) -> list[int]:
    """Cycles of a token, [D], through each expert of a layer: prefixes of matrices of seeds on a device."""
    gate, up, down = (encode_matrix(matrix, PRESETS["scaled-4bit"]) for matrix in (layer.gate, layer.up, layer.down))
    bits = device.info().activation_bits
    cycles = []
    for width in expert_widths(layer.gate.shape[0], experts):
        hidden = torch.nn.functional.silu(x @ layer.gate[:width].T) * (x @ layer.up[:width].T)
        dim = len(x)
        before = device.counters.cycles
        for matrix, vector in (
            (prefix(gate, width, dim), x),
            (prefix(up, width, dim), x),
            (prefix(down, dim, width), hidden),
        ):
            handle = device.load(matrix)
            device.matvec(handle, quantise_activations(vector[None], bits)[0])
            device.unload(handle)
        cycles.append(device.counters.cycles - before)
    return cycles


def other_cycles(decoder: Decoder, parameters: DynaMoEParameters) -> tuple[int, int]:
    """Cycles a token in all matrices but the MLPs, and in the routers: the engine's exact timing on an ideal memory."""

    def cycles(rows: int, columns: int) -> int:
        return pass_cost(ENGINE, ENGINE.weight_formats[0], rows, columns, 1).cycles

    layer, count = decoder.layers[0], len(decoder.layers)
    attention = sum(cycles(*matrix.shape) for matrix in (layer.query, layer.key, layer.value, layer.output))
    routers = cycles(parameters.router_width, layer.gate.shape[1]) + cycles(parameters.experts, parameters.router_width)
    return count * attention + cycles(*decoder.head.shape), count * routers


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
    thetas: Sequence[float] = (0.3, 0.5, 0.7, 0.9),
) -> Report:
    """Nest SmolLM2's MLPs, train routers, and follow the curve of text against active parameters.

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
    return Report(device, {"accuracy": accuracy}, figures, details)
