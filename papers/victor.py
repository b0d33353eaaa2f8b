"""Victor at small scale: what few registers keep of an image, beside FastV, and what dropping visual tokens saves.

Stand-ins, for want of a vision-language model: a decoder of six layers reads scenes of nine handwritten
digits, and SmolLM2's layers are timed on rows of numbers.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import tqdm

import seedloom
from golden_models.decoder import Decoder
from golden_models.victor import (
    Keep,
    Prompt,
    VictorParameters,
    assemble,
    best_of_image,
    cache_rows,
    outside_images,
    prefill,
    prefill_share,
    step,
)
from papers.claim import Finding
from papers.questions import interval
from papers.report import Report, on, yes_or_no
from papers.smollm2 import SmolLM2
from papers.victor_scenes import PLACES, Grids, draw_grids
from papers.victor_training import (
    ASKED,
    LAYERS,
    VISUAL,
    WIDTH,
    VisionLanguageModel,
    new_model,
    one_question,
    right_answers,
    train,
)
from sw_runtime.device.protocol import Device
from sw_runtime.methods.victor import on_device

ENGINE = seedloom.EngineParameters(("scaled-4bit",))
"""Beside the router, and idle: the models run on the host here."""

JUDGED = VictorParameters(registers=8, drop_layer=1)
"""The paper's M, and a sixth of the layers, where the paper's k = 3 is a tenth. In two layers a question may find its
answer by itself, so that registers are not put to the test."""

POINTS = tuple(VictorParameters(registers, JUDGED.drop_layer) for registers in (0, 1, 2, 4, 8)) + tuple(
    VictorParameters(registers, 2) for registers in (0, 1, 8)
)
"""M against k."""

FASTV_KEEPS = (1, 2, 4, 8)
PAPER = VictorParameters(registers=8, drop_layer=3)
"""Of the paper's throughput."""

PAPER_VISUAL, PAPER_TEXT, PAPER_TEXTS = 576, 64, 16
"""Visual and text tokens of a prompt, and prompts of a batch, in the paper's measurement of throughput."""

WRITTEN = (1, 2, 128)
"""Tokens generated: the prefill alone, and the paper's two numbers."""


@dataclass
class Choices:
    """Sets of rows that a device chose.

    Parameters
    ----------
    kept
        Rows that stayed, by what was run.
    as_golden
        Whether all are the golden model's.
    cycles
        Router cycles a choice, by what was run.
    """

    kept: dict[str, list[list[int]]] = field(default_factory=dict)
    as_golden: bool = True
    cycles: dict[str, float] = field(default_factory=dict)

    def watched(self, name: str, device: Device, ours: Keep, golden: Keep) -> Keep:
        """A choice that is noted."""

        def choose(attention: Tensor | None) -> Tensor:
            before = device.counters.router_cycles
            mask = ours(attention)
            spent = device.counters.router_cycles - before
            self.as_golden &= torch.equal(mask, golden(attention))
            chosen = self.kept.setdefault(name, [])
            self.cycles[name] = (self.cycles.get(name, 0.0) * len(chosen) + spent) / (len(chosen) + 1)
            chosen.append(mask.nonzero().flatten().tolist())
            return mask

        return choose


def rows_of(prompt: Prompt) -> int:
    """Rows of a prompt, T."""
    return prompt.hidden_states.shape[-2]


@torch.inference_mode()
def victor_answers(
    model: VisionLanguageModel, point: VictorParameters, grids: Grids, device: Device, choices: Choices
) -> Tensor:
    """Right answers of a model trained with its registers, visual tokens dropped by the device: bool [n]."""
    prompt = model.prompt(grids.images, one_question(grids)[0])
    ours = on_device.outside_images(device, rows_of(prompt), prompt.images)
    keep = choices.watched("Victor", device, ours, outside_images(prompt))
    return right_answers(model, point.drop_layer, grids, keep)


@torch.inference_mode()
def fastv_answers(model: VisionLanguageModel, keep: int, grids: Grids, device: Device, choices: Choices) -> Tensor:
    """Those of the dense model, untrained for it, with so many visual tokens kept where Victor drops all: bool [n]."""
    right = []
    for image, question, answer in zip(grids.images, *one_question(grids), strict=True):
        batch = model.prompt(image[None], question[None])
        prompt = Prompt(batch.hidden_states[0], batch.images)
        ours = on_device.best_of_image(device, rows_of(prompt), prompt.images, keep)
        golden = best_of_image(prompt, keep)
        logits = model.answers(prompt, JUDGED.drop_layer, 1, choices.watched("FastV", device, ours, golden))
        right.append(logits.argmax() == answer[0])
    return torch.stack(right)


@torch.inference_mode()
def seconds_until(backbone: Decoder, prompt: Prompt, drop_layer: int, written: Sequence[int]) -> dict[int, float]:
    """CPU seconds from a prompt until so many tokens of every text are written, by that number.

    The first token comes of the prefill; each further one is the likeliest, embedded and run through all layers.

    Parameters
    ----------
    backbone
        Decoder whose head chooses the tokens.
    prompt
        [B, T, D]: B texts that are written together.
    drop_layer
        Layer before which the visual tokens are left out; the number of layers for none.
    written
        Numbers of tokens, from 1 on.
    """
    seconds: dict[int, float] = {}
    start = time.process_time()
    before = prefill(backbone, prompt, drop_layer, outside_images(prompt))
    for count in range(1, max(written) + 1):
        tokens = backbone.logits(before.hidden_states[..., -1:, :]).argmax(dim=-1)
        if count in written:
            seconds[count] = time.process_time() - start
        if count < max(written):
            before = step(backbone, before, backbone.embed(tokens))
    return seconds


def speed_ups(
    backbone: Decoder, parameters: VictorParameters, texts: int, written: Sequence[int] = WRITTEN
) -> dict[int, float]:
    """Throughput over that without registers and drop, by the number of tokens written; rows are drawn at random.

    Parameters
    ----------
    backbone
        What is timed.
    parameters
        M and k.
    texts
        Prompts that are run together, each of ``PAPER_VISUAL`` and ``PAPER_TEXT`` rows.
    written
        Numbers of tokens.
    """
    generator = torch.Generator().manual_seed(0)
    width = backbone.embedding.shape[1]
    size = (texts, PAPER_VISUAL + PAPER_TEXT + parameters.registers, width)
    rows = backbone.embedding.std() * torch.randn(size, generator=generator)
    image, words, registers = torch.split(rows, [PAPER_VISUAL, PAPER_TEXT, parameters.registers], dim=1)
    dense = assemble([words[:, :0], words], [image], registers[:, :0])
    short = assemble([words[:, :0], words], [image], registers)
    longer = seconds_until(backbone, dense, len(backbone.layers), written)
    shorter = seconds_until(backbone, short, parameters.drop_layer, written)
    return {count: longer[count] / shorter[count] for count in written}


def measure(
    device: str,
    dense_steps: int = 700,
    steps: int = 500,
    points: Sequence[VictorParameters] = POINTS,
    scenes: int = 8192,
    judged: int = 2048,
    fastv_judged: int = 128,
    backbone: Decoder | None = None,
    texts: int = PAPER_TEXTS,
) -> Report:
    """Train a dense model; go on with it as it is and, from the same start, as each point; judge, time.

    Parameters
    ----------
    device
        ``"emulated"`` or ``"simulated"``: its router drops visual tokens.
    dense_steps, steps
        Of training, 64 scenes each: of the start, and of each model that goes on from it.
    points
        Registers and layers to drop at.
    scenes, judged, fastv_judged
        To train on, to judge by, and to judge FastV by.
    backbone
        What is timed; SmolLM2-135M when not given.
    texts
        Prompts that are timed together.
    """
    training = draw_grids(scenes, held_out=False, seed=0)
    held_out = draw_grids(judged, held_out=True, seed=1)
    fewer = held_out.first(fastv_judged)
    start = new_model()
    train(start, VictorParameters(0, LAYERS), training, dense_steps, PLACES)
    dense = start.with_registers(0)
    train(dense, VictorParameters(0, LAYERS), training, steps, ASKED)
    whole = right_answers(dense, LAYERS, held_out)
    choices, right, fastv = Choices(), {}, {}
    with closing(seedloom.open_device(device, parameters=ENGINE, router=seedloom.RouterParameters())) as opened:
        for point in tqdm(points, desc="registers", unit="point"):
            model = start.with_registers(point.registers)
            train(model, point, training, steps, ASKED)
            right[point] = victor_answers(model, point, held_out, opened, choices)
        for keep in FASTV_KEEPS:
            fastv[keep] = fastv_answers(dense, keep, fewer, opened, choices)
    timed = backbone or SmolLM2.load().decoder
    faster = speed_ups(timed, PAPER, texts)
    layers = len(timed.layers)
    lost = {point: 100 * (whole.double() - answers.double()) for point, answers in right.items()}
    rows = cache_rows(PAPER, layers, PAPER_VISUAL, PAPER_TEXT)
    share = prefill_share(PAPER, PAPER_VISUAL, PAPER_TEXT)
    figures: dict[str, float | str] = {
        f"right answers, all {VISUAL} visual tokens, no registers, %": _share(whole),
        **{f"right answers, {_name(point)}, %": _share(answers) for point, answers in right.items()},
        **{f"points lost, {_name(point)}": _with_interval(points_lost) for point, points_lost in lost.items()},
        f"right answers, {fastv_judged} scenes, dense, %": _share(whole[:fastv_judged]),
        **{
            f"right answers, {fastv_judged} scenes, FastV untrained, k = {JUDGED.drop_layer}, {keep} tokens left, %": (
                _share(answers)
            )
            for keep, answers in fastv.items()
        },
        **{
            f"CPU time of {texts} prompts of 576 visual and 64 text tokens, {_tokens(count)} each, "
            "dense over M = 8, k = 3": ratio
            for count, ratio in faster.items()
        },
        "operations of that prefill, 7 B shapes, share of dense": share,
        "rows of all caches, share of dense": sum(rows) / (layers * (PAPER_VISUAL + PAPER_TEXT)),
        "rows chosen by the device as by the golden model": yes_or_no(choices.as_golden),
        **{f"router cycles a choice, {name}": f"{cycles:,.0f}" for name, cycles in choices.cycles.items()},
    }
    ran = f"rows dropped by the router, {on(device)}; model on the host"
    findings = {
        "loss": Finding(
            lost[JUDGED].mean().item(),
            f"{LAYERS} layers of {WIDTH}, k = {JUDGED.drop_layer}, {dense_steps} + {steps} steps, {judged:,} scenes",
            ran,
            interval(lost[JUDGED]),
            stand_in=f"scenes of nine handwritten digits, {VISUAL} visual tokens",
        ),
        "throughput": Finding(
            faster[WRITTEN[-1]],
            f"SmolLM2-135M's {layers} layers on rows of numbers, batch of {texts}, 64 text tokens, "
            f"{_tokens(WRITTEN[-1])} each; {faster[2]:.1f} x with {_tokens(2)}",
            "host (CPU time)",
            stand_in="rows drawn at random for the projected image",
        ),
    }
    return Report(device, findings, figures, {"kept rows": choices.kept})


def _name(point: VictorParameters) -> str:
    return f"M = {point.registers}, k = {point.drop_layer}"


def _share(answers: Tensor) -> str:
    return f"{100 * answers.double().mean().item():.1f}"


def _with_interval(points: Tensor) -> str:
    low, high = interval(points)
    return f"{points.mean().item():.1f} [{low:.1f}, {high:.1f}]"


def _tokens(count: int) -> str:
    return f"{count} token{'s' if count > 1 else ''} generated"
