"""Relative weight error of every format on true float32 weights: those of MiniLM, an encoder that comes as a package.

``python benchmarks/weight_error.py`` writes docs/compression-weights.json: the mean over the 36 matrices of the
model's six layers, 12 rows of each, with rounding to the nearest and llama.cpp's
K-quants beside it. SmolLM2 would not do: its weights have
been rounded to 4 bits before.
"""

import json
from pathlib import Path

import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from safetensors.torch import load_file
from torch import Tensor
from tqdm import tqdm
from xllamacpp import xllamacpp

from formats.matrices import real_weights
from formats.presets import PRESETS, TRELLIS_PRESETS, preset_named
from sw_runtime.evaluate.k_quants import k_quantised
from sw_runtime.evaluate.rounding import round_to_nearest
from sw_runtime.fit.candidates import GroupEncoder
from sw_runtime.texts.packaged_models import minilm_weights

ROWS = 12
SCALE_BITS = 16
GROUP = 128
RESULT = Path(__file__).parents[1] / "docs" / "compression-weights.json"


def minilm_matrices() -> list[Tensor]:
    """Sampled rows of every matrix of the layers: float32 [ROWS, 384 or 1536]."""
    generator = torch.Generator().manual_seed(0)
    return [
        tensor[torch.randperm(len(tensor), generator=generator)[:ROWS]]
        for name, tensor in load_file(minilm_weights()).items()
        if "layer." in name and tensor.dim() == 2
    ]


def error(weights: Tensor, found: Tensor) -> float:
    """‖W − Ŵ‖ / ‖W‖."""
    return float((found - weights).norm() / weights.norm())


def measure_preset(name: str, matrices: list[Tensor]) -> dict[str, str | float]:
    """Mean error and bits per weight, encoded as without a calibration text."""
    encoder, layout, errors, bits, weights = GroupEncoder(None), preset_named(name).layout, 0.0, 0.0, 0
    for matrix in tqdm(matrices, desc=name, unit="matrix"):
        errors += error(matrix, real_weights(encoder.encode([matrix], name)[0].matrix))
        rows, columns = matrix.shape
        bits += rows * (8 * layout.row_bytes(columns) + (SCALE_BITS if layout.has_row_scales else 0))
        weights += matrix.numel()
    return {"name": name, "bits": bits / weights, "error": errors / len(matrices)}


def measure_rounding(bits: int, matrices: list[Tensor]) -> dict[str, str | float]:
    """The same of rounding to the nearest; every row is a whole number of groups."""
    errors = [error(matrix, round_to_nearest(matrix, bits, GROUP)) for matrix in matrices]
    return {"name": f"rtn-{bits}bit-g{GROUP}", "bits": bits + SCALE_BITS / GROUP, "error": sum(errors) / len(errors)}


def measure_k_quant(format: str, matrices: list[Tensor]) -> dict[str, str | float]:
    """The same of one of llama.cpp's K-quants; every sample of rows is a whole number of super-blocks."""
    super_block, stored_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[format]]
    errors = [error(matrix, k_quantised(matrix, format, str(xllamacpp.__file__))) for matrix in matrices]
    return {"name": format, "bits": 8 * stored_bytes / super_block, "error": sum(errors) / len(errors)}


def main() -> None:
    """Measure, print and write."""
    matrices = minilm_matrices()
    measured = [measure_preset(name, matrices) for name in (*PRESETS, *TRELLIS_PRESETS)]
    measured += [measure_rounding(bits, matrices) for bits in (4, 3)]
    measured += [measure_k_quant(format, matrices) for format in ("Q4_K", "Q3_K", "Q2_K")]
    for row in measured:
        print(f"| `{row['name']}` | {row['bits']:.3f} | {row['error']:.4f} |")
    RESULT.write_text(json.dumps(measured, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
