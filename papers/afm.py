"""AFM's palettes and adapters on SmolLM2: 3.7 bits per weight, and what a short recovery gives back."""

import math
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

import seedloom
from formats.activations import quantise_activations
from formats.engine import EngineParameters
from golden_models.afm.palettise import AdaptedLinear, dequantise, palettise
from golden_models.afm.sizes import AFMParameters
from golden_models.seedlm.datapath import matvec
from papers.claim import Finding
from papers.report import Report, on, yes_or_no
from sw_runtime.device.cost import pass_cost
from sw_runtime.evaluate.baselines import layers_without_head
from sw_runtime.fit.feedback import DAMPING
from sw_runtime.texts.calibration import token_windows
from sw_runtime.texts.corpora import news
from sw_runtime.texts.packaged_models import smollm2_folder

AVERAGE_BITS = 3.7
"""At most, as in the production model (second-hand); tables come on top."""

LENGTH = 256
"""Tokens a window."""

HELD_OUT = 8
"""One window of so many is kept for judging."""

WATCHED = 20
"""One of so many of the others tells when training has to stop: it is neither trained on nor judged by."""

STEPS_A_CHECK, PATIENCE = 20, 2
"""Steps between two looks at the watched windows, and looks without a lower loss that end the training."""

SAMPLE_ROWS = 32
"""Rows of a matrix that tell how it bears two bits."""

ENGINE = EngineParameters(("palette-4bit", "palette-2bit", "scaled-4bit", "fp16"))
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Texts:
    """Token windows, int64 [windows, LENGTH], of news: to learn from, to watch while learning, and to judge by."""

    training: Tensor
    watched: Tensor
    held_out: Tensor

    @classmethod
    def of(cls, tokenizer: Any, windows: int) -> "Texts":
        """Every ``HELD_OUT``-th window is held out, every ``WATCHED``-th of the others watched."""
        chosen = token_windows(news(), tokenizer, windows, LENGTH)
        judged = torch.arange(len(chosen)) % HELD_OUT == HELD_OUT - 1
        others = chosen[~judged]
        watched = torch.arange(len(others)) % WATCHED == 0
        return cls(others[~watched], others[watched], chosen[judged])


@torch.inference_mode()
def inputs_of(model: Any, windows: Tensor) -> dict[str, Tensor]:
    """What each matrix is multiplied by: float32 [tokens, columns]."""
    seen: dict[str, list[Tensor]] = {name: [] for name in layers_without_head(model)}
    hooks = [
        linear.register_forward_pre_hook(lambda _, x, name=name: seen[name].append(x[0].flatten(0, -2)))
        for name, linear in layers_without_head(model).items()
    ]
    for window in windows:
        model(window[None])
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(inputs) for name, inputs in seen.items()}


def choose_bits(model: Any, inputs: dict[str, Tensor], average: float = AVERAGE_BITS) -> dict[str, int]:
    """Two bits for the matrices that bear them best, as few as bring the mean to ``average``; four for the others.

    A matrix is judged by the share of its outputs' energy that two bits lose, on a sample of its rows.
    """
    cost: dict[str, float] = {}
    linears = layers_without_head(model)
    for name, linear in tqdm(linears.items(), desc="which bear two bits", unit="matrix"):
        rows = linear.weight.detach()[:SAMPLE_ROWS]
        lost = inputs[name] @ (dequantise(palettise(rows, 2)) - rows).T
        cost[name] = (lost.square().sum() / (inputs[name] @ rows.T).square().sum()).item()
    above = sum(linear.weight.numel() for linear in linears.values()) * (4 - average)
    bits = dict.fromkeys(linears, 4)
    for name in sorted(cost, key=cost.__getitem__):
        if above > 0:
            bits[name] = 2
            above -= 2 * linears[name].weight.numel()
    return bits


def palettise_layers(
    model: Any, bits: dict[str, int], inputs: dict[str, Tensor], rank: int
) -> dict[str, AdaptedLinear]:
    """Put palettes with adapters, as yet without effect, instead of the matrices.

    K-means weighs a column's errors by its inputs' mean square.
    """
    torch.manual_seed(0)
    adapted: dict[str, AdaptedLinear] = {}
    for name, linear in tqdm(layers_without_head(model).items(), desc="palettes", unit="matrix"):
        power = inputs[name].square().mean(dim=0)
        importance = power + DAMPING * power.mean()
        adapted[name] = AdaptedLinear(palettise(linear.weight.detach(), bits[name], importance), rank)
        model.set_submodule(name, adapted[name])
    return adapted


@torch.inference_mode()
def loss(model: Any, windows: Tensor) -> float:
    """Nats per token of windows, each by itself."""
    losses: list[float] = [model(window[None], labels=window[None]).loss.item() for window in windows]
    return sum(losses) / len(losses)


def recover(
    model: Any, teacher: Any, texts: Texts, steps: int, steps_a_check: int = STEPS_A_CHECK
) -> list[tuple[int, float]]:
    """Train the adapters, and nothing else, towards the float model's next-token probabilities.

    It ends when the watched windows' loss has not fallen for ``PATIENCE`` checks; the adapters of the least one stay.

    Parameters
    ----------
    model
        Palettised, with adapters.
    teacher
        The float model.
    texts
        A step takes one window to learn from, in turn.
    steps
        At most.
    steps_a_check
        Steps between two checks.

    Returns
    -------
    Steps and the watched windows' loss, nats per token, of each check; the first one is before any step.
    """
    model.requires_grad_(requires_grad=False)
    adapters = [p for m in model.modules() if isinstance(m, AdaptedLinear) for p in m.requires_grad_().parameters()]
    optimiser = torch.optim.AdamW(adapters, lr=LEARNING_RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    checks, best = [(0, loss(model, texts.watched))], [values.detach().clone() for values in adapters]
    progress = tqdm(range(1, steps + 1), desc="recovery", unit="step")
    for step in progress:
        distance = divergence(model, teacher, texts.training[(step - 1) % len(texts.training)])
        optimiser.zero_grad()
        distance.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        progress.set_postfix_str(f"KL {distance.item():.3f}, watched {checks[-1][1]:.3f}")
        if step % steps_a_check and step < steps:
            continue
        checks.append((step, loss(model, texts.watched)))
        least = min(checks, key=lambda check: check[1])
        if least is checks[-1]:
            best = [values.detach().clone() for values in adapters]
        elif len(checks) - 1 - checks.index(least) == PATIENCE:
            break
    with torch.no_grad():
        for values, kept in zip(adapters, best, strict=True):
            values.copy_(kept)
    return checks


def divergence(model: Any, teacher: Any, window: Tensor) -> Tensor:
    """Kullback-Leibler divergence of a model from a teacher, nats per token of a window, int64 [T] → []."""
    with torch.inference_mode():
        target = teacher(window[None]).logits.log_softmax(dim=-1)
    found = model(window[None]).logits.log_softmax(dim=-1)
    each = nn.functional.kl_div(found, target.clone(), log_target=True, reduction="none")
    return each.sum(dim=-1).mean()


def token_cycles(adapted: dict[str, AdaptedLinear], rank: int) -> dict[str, int]:
    """Cycles a token for all matrices: the engine's timing, exact on an ideal memory."""
    formats = dict(zip(ENGINE.formats, ENGINE.weight_formats, strict=True))
    cycles = dict.fromkeys(("palettes", "adapters", "scaled-4bit", "fp16"), 0)
    for linear in adapted.values():
        rows, columns = linear.matrix.rows, linear.matrix.columns
        sides = ((rank, columns), (rows, rank))
        cycles["palettes"] += pass_cost(ENGINE, formats[linear.matrix.name], rows, columns, 1).cycles
        cycles["adapters"] += sum(pass_cost(ENGINE, formats["fp16"], *side, 1).cycles for side in sides)
        for name in ("scaled-4bit", "fp16"):
            cycles[name] += pass_cost(ENGINE, formats[name], rows, columns, 1).cycles
    return cycles


def one_layer_is_golden(device: str, adapted: dict[str, AdaptedLinear], inputs: dict[str, Tensor]) -> bool:
    """Whether a device gives the golden integers for the first layer's matrices and the last token."""
    with closing(seedloom.open_device(device, parameters=ENGINE)) as opened:
        for name in [name for name in adapted if ".layers.0." in name]:
            matrix = adapted[name].matrix
            activations, _ = quantise_activations(inputs[name][-1:])
            if not opened.matvec(opened.load(matrix), activations).equal(matvec(matrix, activations)):
                return False
    return True


def measure(device: str, steps: int = 120, windows: int = 144, rank: int = 16, folder: str | None = None) -> Report:
    """Palettise, judge, recover, judge again.

    Parameters
    ----------
    device
        ``"emulated"`` or ``"simulated"``: multiplies the first layer's palettes.
    steps
        Of recovery at most, a window each.
    windows
        Of text, one of ``HELD_OUT`` for judging, one of ``WATCHED`` of the others to end the training by.
    rank
        Of the adapters.
    folder
        A Llama-like model; SmolLM2-135M when not given.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source = folder or smollm2_folder()
    texts = Texts.of(AutoTokenizer.from_pretrained(source), windows)
    model, teacher = (AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval() for _ in range(2))
    inputs = inputs_of(model, texts.training[:4])
    bits = choose_bits(model, inputs)
    adapted = palettise_layers(model, bits, inputs, rank)
    sizes = {name: linear.matrix.codes.numel() for name, linear in adapted.items()}
    before = loss(model, texts.held_out)
    checks = recover(model, teacher, texts, steps)
    after, dense = loss(model, texts.held_out), loss(teacher, texts.held_out)
    trained = checks[-1][0]
    cycles = token_cycles(adapted, rank)
    weights = sum(sizes.values())
    adapter = sum(linear.A.numel() + linear.B.numel() for linear in adapted.values())
    figures: dict[str, float | str] = {
        "bits per weight, tables apart": sum(bits[n] * sizes[n] for n in bits) / weights,
        "perplexity, float": math.exp(dense),
        "perplexity, palettised": math.exp(before),
        f"perplexity, adapters of rank {rank} trained {trained} steps": math.exp(after),
        "loss that palettes cost, nats per token": before - dense,
        "loss that adapters give back, nats per token": before - after,
        **{f"watched windows' loss after {step} steps, nats per token": value for step, value in checks},
        "adapters of SmolLM2, MB of 16-bit values": adapter * 2 / 1e6,
        "cycles per token, palettes": f"{cycles['palettes']:,}",
        "cycles per token, adapters beside them (FP16 lanes)": f"{cycles['adapters']:,}",
        "cycles per token, seeds (scaled-4bit)": f"{cycles['scaled-4bit']:,}",
        "cycles per token, FP16": f"{cycles['fp16']:,}",
        "cycles of FP16 over palettes": cycles["fp16"] / cycles["palettes"],
        "first layer's results equal the golden integers": yes_or_no(one_layer_is_golden(device, adapted, inputs)),
    }
    judged = f"{len(texts.held_out)} x {LENGTH} tokens of news, {trained} steps of recovery"
    findings = {
        "recovery": Finding(
            100 * (before - after) / (before - dense),
            f"{weights / 1e6:.1f} M weights, {judged}",
            f"host; first layer's palettes also by the engine, {on(device)}",
        ),
        "adapter size": Finding(
            AFMParameters().adapter_weights * 2 / 1e6, "the paper's shapes, an FFN of 8,032 assumed", "computed"
        ),
    }
    return Report(device, findings, figures, {"two bits": [n for n, b in bits.items() if b == 2]})
