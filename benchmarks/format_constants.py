"""Measures the constants of every preset and palette again, and says whether the stored ones agree.

``python benchmarks/format_constants.py`` prints Markdown. All are measured on rows of independent Gaussian
weights: the row step by search, the errors at the stored step, the reach by one large weight in each row.
A stored number agrees when it is within ``TOLERANCE`` of the measured one, the reach when it is at most ``CAUTION``
below. The row step has a flat optimum, so it agrees when its error is within ``TOLERANCE`` of the least error that any
step gives. The exit status is 1 where one disagrees.
"""

import sys
from dataclasses import dataclass

import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.matrices import Matrix, real_weights
from formats.presets import PALETTES, PRESETS, preset_of
from formats.scales import row_scales
from sw_runtime.fit.palettes import palettise
from sw_runtime.fit.row_range import scales
from sw_runtime.search.search import encode_matrix

ROWS, COLUMNS = 24, 384
TOLERANCE = 0.03

CAUTION = 0.05
"""The reach is kept up to this share below the measured one: rows near it lose before the last integer is reached."""

RANGES = torch.logspace(0, 0.6, 7) * 3.5
"""Where the step is searched: the format's largest weight over the row's root mean square, 3.5 to 14."""

SPIKE = 12.0
"""The large weight over the row's root mean square: beyond what any format reaches."""


@dataclass(frozen=True)
class Constant:
    """One stored constant, what was measured, and whether the stored one is as good."""

    format: str
    name: str
    stored: float
    measured: float
    agrees: bool


def gaussian_rows(rows: int = ROWS, columns: int = COLUMNS) -> Tensor:
    """Independent Gaussian weights of deviation 1: float32 [rows, columns]."""
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


def relative_error(weights: Tensor, matrix: Matrix) -> float:
    """``‖W − Ŵ‖ / ‖W‖``."""
    return float((real_weights(matrix) - weights).norm() / weights.norm())


def error_at(weights: Tensor, block_format: BlockFormat, step: float) -> float:
    """Relative error with every row's scale at ``step`` root mean squares."""
    rms = weights.square().mean(dim=1).sqrt()
    return relative_error(weights, encode_matrix(weights, block_format, (step * rms).bfloat16().float()))


def best_step(weights: Tensor, block_format: BlockFormat) -> tuple[float, float]:
    """Step of the least error, and that error."""
    found = [(error_at(weights, block_format, float(r) / block_format.maximum_sum), float(r)) for r in RANGES]
    error, reach = min(found)
    return reach / block_format.maximum_sum, error


def measured_reach(weights: Tensor, block_format: BlockFormat, step: float) -> float:
    """Largest weight that rows of root mean square 1 come to: what is left of a spike that no row can hold."""
    spiked = weights / weights.square().mean(dim=1, keepdim=True).sqrt()
    places = torch.arange(len(spiked)) % block_format.block_size
    rows = torch.arange(len(spiked))
    spiked[rows, places] = SPIKE
    found = real_weights(encode_matrix(spiked, block_format, torch.full((len(spiked),), step).bfloat16().float()))
    return float(found[rows, places].mean())


def _constant(format: str, name: str, stored: float, measured: float) -> Constant:
    return Constant(format, name, stored, measured, abs(stored - measured) <= TOLERANCE * measured)


def _reach(format: str, stored: float, measured: float) -> Constant:
    return Constant(format, "reach", stored, measured, (1 - CAUTION) * measured <= stored <= measured)


def preset_constants(block_format: BlockFormat, weights: Tensor) -> list[Constant]:
    """All constants of a registered preset, measured on weights [rows, columns].

    Raises
    ------
    ValueError
        If the format is not registered.
    """
    preset, name = preset_of(block_format), block_format.name
    if preset.row_step is None or preset.rounding_error is None or preset.reach is None:
        fitted = scales(weights, block_format, [torch.ones(weights.shape[1])])
        error = relative_error(weights, encode_matrix(weights, block_format, fitted))
        return [_constant(name, "ordinary_error", preset.ordinary_error, error)]
    error = relative_error(weights, encode_matrix(weights, block_format, row_scales(weights, block_format)))
    step, least = best_step(weights, block_format)
    return [
        Constant(name, "row_step", preset.row_step, step, error <= (1 + TOLERANCE) * least),
        _reach(name, preset.reach, measured_reach(weights, block_format, preset.row_step)),
        _constant(name, "ordinary_error", preset.ordinary_error, error),
        _constant(name, "rounding_error", preset.rounding_error, error**2),
    ]


def palette_constant(name: str, weights: Tensor) -> Constant:
    """Ordinary error of a palette, measured on weights [rows, columns]."""
    palette = PALETTES[name]
    error = relative_error(weights, palettise(weights, palette.code_bits))
    return _constant(name, "ordinary_error", palette.ordinary_error, error)


def table(constants: list[Constant]) -> str:
    """Markdown."""
    rows = [
        f"| {c.format} | {c.name} | {c.stored:g} | {c.measured:.4g} | {'yes' if c.agrees else 'no'} |"
        for c in constants
    ]
    return "\n".join(["| format | constant | stored | measured | agrees |", "|---|---|---|---|---|", *rows])


if __name__ == "__main__":
    weights = gaussian_rows()
    measured = [constant for preset in PRESETS.values() for constant in preset_constants(preset, weights)]
    measured += [palette_constant(name, weights) for name in PALETTES]
    print(table(measured))
    sys.exit(not all(constant.agrees for constant in measured))
