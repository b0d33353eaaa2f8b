"""Measures the constants of every preset again, and says whether the stored ones agree.

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
from formats.presets import PALETTES, PRESETS, TRELLIS_PRESETS, preset_named, preset_of
from formats.trellis import TrellisFormat
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.fit.palettes import palettise
from sw_runtime.fit.row_range import scales
from sw_runtime.search.search import encode_matrix
from sw_runtime.search.trellis import encode

RowFormat = BlockFormat | TrellisFormat

ROWS, COLUMNS = 24, 384
TOLERANCE = 0.03

CAUTION = 0.05
"""The reach is kept up to this share below the measured one: rows near it lose before the last integer is reached."""

RANGES = torch.logspace(0, 0.6, 7) * 3.5
"""Where the step is searched: the format's largest weight over the row's root mean square, 3.5 to 14."""

SPIKE = 12.0
"""The large weight over the row's root mean square: beyond what any format reaches."""

SPIKED_BLOCK = 4
"""Block that it lies in: beyond a trellis row's first weights, whose windows are not full."""


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


def encoded(weights: Tensor, layout: RowFormat, row_scales: Tensor) -> Matrix:
    """Weights at given scales, without feedback."""
    if isinstance(layout, TrellisFormat):
        return TrellisMatrix(layout, encode(weights, layout, row_scales).words, row_scales, weights.shape[1])
    return encode_matrix(weights, layout, row_scales)


def error_at(weights: Tensor, layout: RowFormat, step: float) -> float:
    """Relative error with every row's scale at ``step`` root mean squares."""
    rms = weights.square().mean(dim=1).sqrt()
    return relative_error(weights, encoded(weights, layout, (step * rms).bfloat16().float()))


def best_step(weights: Tensor, layout: RowFormat) -> tuple[float, float]:
    """Step of the least error, and that error."""
    largest = layout.maximum_weight
    error, step = min((error_at(weights, layout, float(r) / largest), float(r) / largest) for r in RANGES)
    return step, error


def measured_reach(weights: Tensor, layout: RowFormat, step: float) -> float:
    """Largest weight that rows of root mean square 1 come to: what is left of a spike that no row can hold."""
    spiked = weights / weights.square().mean(dim=1, keepdim=True).sqrt()
    places = layout.block_size * SPIKED_BLOCK + torch.arange(len(spiked)) % layout.block_size
    rows = torch.arange(len(spiked))
    spiked[rows, places] = SPIKE
    found = real_weights(encoded(spiked, layout, torch.full((len(spiked),), step).bfloat16().float()))
    return float(found[rows, places].mean())


def _constant(format: str, name: str, stored: float, measured: float) -> Constant:
    return Constant(format, name, stored, measured, abs(stored - measured) <= TOLERANCE * measured)


def _reach(format: str, stored: float, measured: float) -> Constant:
    return Constant(format, "reach", stored, measured, (1 - CAUTION) * measured <= stored <= measured)


def preset_constants(layout: RowFormat, weights: Tensor) -> list[Constant]:
    """All constants of a registered preset, measured on weights [rows, columns].

    Raises
    ------
    ValueError
        If the format is not registered.
    """
    preset, name = preset_of(layout), layout.name
    if preset.row_step is None or preset.rounding_error is None or preset.reach is None:
        fitted = scales([weights], layout, [torch.ones(weights.shape[1])])
        error = relative_error(weights, encoded(weights, layout, fitted))
        return [_constant(name, "ordinary_error", preset.ordinary_error, error)]
    error = error_at(weights, layout, preset.row_step)
    step, least = best_step(weights, layout)
    return [
        Constant(name, "row_step", preset.row_step, step, error <= (1 + TOLERANCE) * least),
        _reach(name, preset.reach, measured_reach(weights, layout, preset.row_step)),
        _constant(name, "ordinary_error", preset.ordinary_error, error),
        _constant(name, "rounding_error", preset.rounding_error, error**2),
    ]


def palette_constant(name: str, weights: Tensor) -> Constant:
    """Ordinary error of a palette, measured on weights [rows, columns]."""
    error = relative_error(weights, palettise(weights, PALETTES[name].code_bits))
    return _constant(name, "ordinary_error", preset_named(name).ordinary_error, error)


def table(constants: list[Constant]) -> str:
    """Markdown."""
    rows = [
        f"| {c.format} | {c.name} | {c.stored:g} | {c.measured:.4g} | {'yes' if c.agrees else 'no'} |"
        for c in constants
    ]
    return "\n".join(["| format | constant | stored | measured | agrees |", "|---|---|---|---|---|", *rows])


if __name__ == "__main__":
    weights = gaussian_rows()
    layouts: list[RowFormat] = [*PRESETS.values(), *TRELLIS_PRESETS.values()]
    measured = [constant for layout in layouts for constant in preset_constants(layout, weights)]
    measured += [palette_constant(name, weights) for name in PALETTES]
    print(table(measured))
    sys.exit(not all(constant.agrees for constant in measured))
