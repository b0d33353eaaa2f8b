"""SeedLM's own experiment: a matrix-vector product from seeds and from FP16 weights, and what seeds do to weights."""

from contextlib import closing

import torch
from safetensors.torch import load_file
from torch import Tensor
from tqdm import tqdm

import seedloom
from formats.activations import quantise_activations
from formats.matrices import Fp16Matrix, Matrix, real_weights
from formats.presets import PRESETS
from golden_models.seedlm.datapath import matvec
from papers.report import Figure, Mark, Report, yes_or_no
from sw_runtime.search.search import encode_matrix
from sw_runtime.texts.packaged_models import minilm_weights

FORMATS = ("paper-4bit", "paper-3bit")
SPEED_UPS = {512: "3.67", 1024: "3.92", 2048: "3.98"}
"""Of 4 bits over FP16 at 64 bytes a cycle; which sizes the first two belong to is inferred."""

CYCLES: tuple[str, Mark] = ("136,559 / 34,331", "second-hand")
GAUSSIAN = {"paper-4bit": "0.123", "paper-3bit": "0.226"}
"""Relative error of a replication written from the paper's text."""

ROWS, DEVIATION = 128, 0.02
"""Gaussian weights as in that replication's check; a row is a whole number of blocks of either format."""

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


def error_figures(weights: Tensor) -> list[Figure]:
    """Errors on Gaussian weights and on a model's."""
    gaussian = torch.randn(ROWS, 24, generator=torch.Generator().manual_seed(0)) * DEVIATION
    figures = []
    for name in FORMATS:
        rounded = relative_error(gaussian, name, "rounded")
        figures += [
            Figure(f"{name}: relative error on Gaussian weights, rounded", rounded, GAUSSIAN[name], "second-hand"),
            Figure("… the best coefficients and exponent", relative_error(gaussian, name)),
            Figure("… on a layer of MiniLM", relative_error(weights, name)),
        ]
    return figures


def speed_up(size: int, name: str, dense: int, seeds: int) -> Figure:
    """FP16's cycles over the seeds', beside the paper's where it has them."""
    ours = (f"{size} x {size}, {name}: speed-up over FP16 in cycles", dense / seeds)
    if name == "paper-4bit" and size in SPEED_UPS:
        return Figure(*ours, SPEED_UPS[size], "second-hand")
    return Figure(*ours)


def product_figures(device: str, weights: Tensor, sizes: tuple[int, ...]) -> list[Figure]:
    """Speed-ups at square sizes."""
    figures, exact = [], []
    for size in tqdm(sizes, desc="products", unit="size"):
        square = tiled(weights, size)
        vector = square[0]
        dense, same = cycles(device, Fp16Matrix(square.half()), "fp16", vector)
        exact.append(same)
        for name in FORMATS:
            seeds, same = cycles(device, encode_matrix(square, PRESETS[name]), name, vector)
            exact.append(same)
            figures.append(speed_up(size, name, dense, seeds))
            if (name, size) == ("paper-4bit", 2048):
                figures.append(Figure("… cycles, FP16 / seeds", f"{dense:,} / {seeds:,}", *CYCLES))
    return [*figures, Figure("all results equal to the golden datapath's", yes_or_no(all(exact)))]


def measure(device: str, sizes: tuple[int, ...] = tuple(SPEED_UPS)) -> Report:
    """The products on a device, and the error of the formats on Gaussian and on real weights.

    Parameters
    ----------
    device
        ``"emulated"`` or ``"simulated"``: what multiplies.
    sizes
        Of the square matrices.
    """
    weights = load_file(minilm_weights())[MATRIX]
    figures = product_figures(device, weights, sizes) + error_figures(weights)
    scale = "a layer of MiniLM, repeated to each size; 64-byte port, ideal memory"
    return Report("SeedLM (2410.10714)", scale, device, figures)
