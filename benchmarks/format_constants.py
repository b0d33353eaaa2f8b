"""The constants of every preset, measured again: ``python benchmarks/format_constants.py``.

Gaussian rows are encoded over a grid of row scales. The table shows what ``formats/presets.py`` keeps beside what is
found, and exits with 1 if they differ by more than the tolerance of the column. Some seconds.
"""

import sys
from dataclasses import dataclass

import torch
from tqdm import tqdm

from formats.matrices import real_weights
from formats.palette_format import PALETTES
from formats.presets import PRESETS, Preset, preset_of
from sw_runtime.fit.palettes import palettise
from sw_runtime.search.search import encode_matrix

ROWS, COLUMNS = 24, 768
STEPS = (0.85, 0.92, 1.0, 1.08, 1.15)
"""Row scales tried, over the one that is kept."""

TOLERANCE = {"ordinary_error": 0.03, "row_step": 0.15, "rounding_error": 0.05, "reach": 0.10}
"""Relative difference that still counts as agreement; the row scale is a flat optimum."""


@dataclass(frozen=True)
class Constant:
    """One kept constant beside the value found."""

    format: str
    name: str
    kept: float
    found: float

    @property
    def agrees(self) -> bool:
        """Whether both are close enough."""
        return abs(self.found - self.kept) <= TOLERANCE[self.name] * self.kept


def gaussian_rows() -> torch.Tensor:
    """float32 [ROWS, COLUMNS]."""
    return torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(0))


def relative_error(weights: torch.Tensor, found: torch.Tensor) -> float:
    """‖W − Ŵ‖ / ‖W‖."""
    return ((found - weights).norm() / weights.norm()).item()


def constants_of(preset: Preset, weights: torch.Tensor) -> list[Constant]:
    """The preset's constants, found again."""
    if preset.row_step is None or preset.rounding_error is None or preset.reach is None:
        error = relative_error(weights * 0.02, real_weights(encode_matrix(weights * 0.02, preset.block_format)))
        return [Constant(preset.name, "ordinary_error", preset.ordinary_error, error)]
    rms = weights.square().mean(dim=1).sqrt()
    errors = {}
    for multiple in STEPS:
        scales = (preset.row_step * multiple * rms).bfloat16().float()
        errors[multiple] = relative_error(weights, real_weights(encode_matrix(weights, preset.block_format, scales)))
    best = min(errors, key=lambda multiple: errors[multiple])
    return [
        Constant(preset.name, "ordinary_error", preset.ordinary_error, errors[1.0]),
        Constant(preset.name, "row_step", preset.row_step, preset.row_step * best),
        Constant(preset.name, "rounding_error", preset.rounding_error, errors[1.0] ** 2),
        Constant(preset.name, "reach", preset.reach, preset.block_format.maximum_sum * preset.row_step),
    ]


def measure() -> list[Constant]:
    """All constants of all presets and palettes."""
    weights = gaussian_rows()
    found = []
    for block_format in tqdm(PRESETS.values(), desc="formats", unit="format", disable=None):
        found += constants_of(preset_of(block_format), weights)
    for name, palette in PALETTES.items():
        error = relative_error(weights, real_weights(palettise(weights, palette.code_bits)))
        found.append(Constant(name, "ordinary_error", palette.ordinary_error, error))
    return found


def main() -> int:
    """Print the table; 1 if a constant disagrees."""
    constants = measure()
    print("| format | constant | kept | found | agrees |\n|---|---|---:|---:|---|")
    for constant in constants:
        agrees = "yes" if constant.agrees else "**no**"
        print(f"| `{constant.format}` | {constant.name} | {constant.kept:g} | {constant.found:.4f} | {agrees} |")
    return 0 if all(constant.agrees for constant in constants) else 1


if __name__ == "__main__":
    sys.exit(main())
