"""SeedLM's experiments: a matrix-vector product from seeds and from FP16 weights, and what accuracy a model keeps."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from tqdm import tqdm
from transformers import AutoModelForCausalLM

import seedloom
from formats.activations import quantise_activations
from formats.matrices import Fp16Matrix, Matrix, real_weights
from formats.presets import PRESETS
from golden_models.seedlm.datapath import matvec
from papers.claim import Finding
from papers.questions import choices
from papers.report import Report, on, yes_or_no
from papers.retention import Retention, above_chance, answers_of, figures_of, retention
from papers.smollm2 import SmolLM2
from seedloom.demo import compressed_model
from sw_runtime.search.search import encode_matrix
from sw_runtime.texts.packaged_models import minilm_weights

FORMATS = ("paper-4bit", "paper-3bit")
SIZES = (512, 1024, 2048)
ROWS, DEVIATION = 128, 0.02
"""Gaussian weights; a row is a whole number of blocks of either format."""

KEPT = {"trellis-4bit": "retention at 4 bits", "trellis-3.5bit": None, "trellis-3bit": "retention at 3 bits"}
"""Formats that a model is compressed to, and the claims they answer."""

TASKS = (
    "general_knowledge",
    "cause_and_effect/two_sentences",
    "human_organs_senses",
    "goal_step_wikihow/step_inference",
    "goal_step_wikihow/goal_inference",
    "phrase_relatedness",
)
"""Of BIG-bench: multiple choice of everyday knowledge. A task counts if the float model does better than guess."""

MATRIX = "encoder.layer.0.intermediate.dense.weight"


def tiled(weights: Tensor, size: int) -> Tensor:
    """A matrix repeated and cut to a square: [rows, columns] → [size, size]."""
    rows, columns = weights.shape
    return weights.repeat(-(-size // rows), -(-size // columns))[:size, :size]


def cycles(device: str, matrix: Matrix, name: str, vector: Tensor) -> tuple[int, bool]:
    """Cycles of one product on an engine of one format, and whether the results are the golden datapath's."""
    parameters = seedloom.EngineParameters((name,))
    with closing(seedloom.open_device(device, parameters=parameters)) as opened:
        activations, _ = quantise_activations(vector[None], parameters.activation_bits)
        results = opened.matvec(opened.load(matrix), activations)
        return opened.counters.cycles, torch.equal(results, matvec(matrix, activations))


def relative_error(weights: Tensor, name: str, coefficients: str = "optimal") -> float:
    """‖W − Ŵ‖ / ‖W‖ of a format; ``coefficients`` as in ``encode_matrix``."""
    found = real_weights(encode_matrix(weights, PRESETS[name], coefficients=coefficients))
    error: float = ((found - weights).norm() / weights.norm()).item()
    return error


def error_figures(weights: Tensor) -> dict[str, float | str]:
    """Relative errors on Gaussian weights and on a model's."""
    gaussian = torch.randn(ROWS, 24, generator=torch.Generator().manual_seed(0)) * DEVIATION
    figures: dict[str, float | str] = {}
    for name in FORMATS:
        figures |= {
            f"{name}: relative error on Gaussian weights, coefficients rounded": relative_error(
                gaussian, name, "rounded"
            ),
            f"{name}: relative error on Gaussian weights, best coefficients": relative_error(gaussian, name),
            f"{name}: relative error on a layer of MiniLM": relative_error(weights, name),
        }
    return figures


def products(
    device: str, weights: Tensor, sizes: Sequence[int]
) -> tuple[dict[tuple[int, str], float], dict[str, float | str]]:
    """Speed-ups at square sizes, by size and format; and all figures by their names."""
    figures: dict[str, float | str] = {}
    speed_ups, exact = {}, []
    for size in tqdm(sizes, desc="products", unit="size"):
        square = tiled(weights, size)
        vector = square[0]
        dense, same = cycles(device, Fp16Matrix(square.half()), "fp16", vector)
        exact.append(same)
        figures[f"{size} x {size}: cycles, FP16"] = f"{dense:,}"
        for name in FORMATS:
            seeds, same = cycles(device, encode_matrix(square, PRESETS[name]), name, vector)
            exact.append(same)
            speed_ups[size, name] = dense / seeds
            figures[f"{size} x {size}: cycles, {name}"] = f"{seeds:,}"
            figures[f"{size} x {size}: cycles of FP16 over {name}"] = dense / seeds
    figures["all results equal to the golden datapath's"] = yes_or_no(all(exact))
    return speed_ups, figures


def retentions(compressed: Callable[[str], Path], tasks: Sequence[str], count: int) -> tuple[int, dict[str, Retention]]:
    """Questions that the float model can answer, and what each format keeps of its accuracy on them.

    Parameters
    ----------
    compressed
        A compressed folder of SmolLM2 by its format.
    tasks, count
        Of BIG-bench, and the most questions of each.
    """
    smollm2 = SmolLM2.load()
    questions, given = [], []
    for task in tasks:
        asked = choices(task, count)
        answers = answers_of(smollm2.model, smollm2.tokenizer, asked, f"float: {task}")
        if above_chance(answers, asked):
            questions += asked
            given.append(answers)
    float_answers, right = torch.cat(given), torch.tensor([question.right for question in questions])
    found = {}
    for name in KEPT:
        model = AutoModelForCausalLM.from_pretrained(compressed(name), dtype=torch.float32)
        model.dequantize()  # decode once, not at every question
        found[name] = retention(answers_of(model, smollm2.tokenizer, questions, name), float_answers, right)
    return len(questions), found


def measure(
    device: str,
    sizes: tuple[int, ...] = SIZES,
    compressed: Callable[[str], Path] = compressed_model,
    tasks: Sequence[str] = TASKS,
    questions: int = 50,
) -> Report:
    """The products on a device, the error of the formats, and the accuracy that a compressed model keeps.

    Parameters
    ----------
    device
        ``"emulated"`` or ``"simulated"``: what multiplies.
    sizes
        Of the square matrices; the largest answers the claim.
    compressed
        SmolLM2 in a format, as a folder; made at the first call, minutes each, and kept.
    tasks, questions
        Of BIG-bench, and the most questions of each.
    """
    weights = load_file(minilm_weights())[MATRIX]
    speed_ups, figures = products(device, weights, sizes)
    size = max(sizes)
    findings = {
        "speed-up": Finding(
            speed_ups[size, "paper-4bit"],
            f"{size} x {size} of MiniLM's weights, 64 bytes per cycle, ideal memory",
            f"engine {on(device)}",
        )
    }
    asked, kept = retentions(compressed, tasks, questions)
    for name, claim in KEPT.items():
        figures |= figures_of(name, kept[name])
        figures[f"{name}: accuracy kept, % of the float model's"] = kept[name].kept
        if claim is not None:
            findings[claim] = Finding(
                kept[name].kept,
                f"SmolLM2-135M, {asked} questions of BIG-bench, fitted to news",
                "host",
                kept[name].kept_interval,
                stand_in=f"{name}, another generator than SeedLM's",
            )
    return Report(device, findings, figures | error_figures(weights))
