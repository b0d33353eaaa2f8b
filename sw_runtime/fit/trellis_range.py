"""Which scale near the usual one suits a trellis row.

A row's error depends on its scale by chance as well: other scales are other paths, and some are luckier by a
percent or two. Without feedback a row is encoded so fast that several scales are tried. With feedback the scale is
chosen before: a few weights of loud inputs cost most, and those should lie near entries of the table, which are far
apart at its ends.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from formats.presets import preset_of
from formats.trellis import TrellisFormat
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.search.trellis import encode

TRIED = (0.91, 0.94, 0.97, 1.0, 1.03, 1.06, 1.09)
"""Scales that are tried, over the usual one."""

NEAR = tuple(round(0.88 + 0.03 * i, 2) for i in range(9))
"""Scales that are weighed, over the usual one."""

BEND = 2.5
"""Squared error on ordinary weights at a multiple m of the usual scale: ``1 + BEND (m - 1)²`` times the usual one."""

GAP_SHARE = 0.5
"""Share of a weight's squared distance from the table that it costs: feedback moves weights, and others answer."""

ROWS_A_STEP = 256
"""Rows taken at all their scales at once, for moderate memory."""


def suited_scales(weights: Tensor, trellis_format: TrellisFormat, scales: Tensor, column_costs: Tensor) -> Tensor:
    """For every row the one of ``NEAR`` whose expected loss with feedback is least, as a file keeps it: float32 [rows].

    Parameters
    ----------
    weights
        [rows, columns], any float dtype.
    trellis_format
        A registered one.
    scales
        The usual scales, float32 [rows].
    column_costs
        What a squared error in each column costs where later columns answer it, [columns].

    Raises
    ------
    InputError
        If the format is not registered.
    """
    preset = preset_of(trellis_format)
    assert preset.rounding_error is not None  # trellis formats have row scales
    assert preset.row_step is not None
    ordinary = preset.rounding_error / preset.row_step**2 * column_costs.sum()
    nearest, chosen = _nearest_entries(trellis_format), []
    for rows, usual in zip(torch.split(weights.float(), ROWS_A_STEP), torch.split(scales, ROWS_A_STEP), strict=True):
        tried = torch.stack([(multiple * usual).bfloat16().float() for multiple in NEAR])
        losses = torch.stack(
            [
                (ordinary * (1 + BEND * (multiple - 1) ** 2)) * usual.double().square()
                + GAP_SHARE * (_squared_gaps(rows, nearest, scale) @ column_costs.float()).double()
                for multiple, scale in zip(NEAR, tried, strict=True)
            ]
        )
        chosen.append(tried.gather(0, losses.argmin(dim=0, keepdim=True))[0])
    return torch.cat(chosen)


def _nearest_entries(trellis_format: TrellisFormat) -> Tensor:
    """The table's entry nearest to every quarter of a unit from -128 on: float32 [1024].

    Entries are integers, so no border between two lies within a quarter.
    """
    table = torch.tensor(sorted(set(trellis_format.table)), dtype=torch.float32)
    middles = torch.arange(-128, 128, 0.25) + 0.125
    return table[torch.bucketize(middles, (table[1:] + table[:-1]) / 2)]


def _squared_gaps(weights: Tensor, nearest: Tensor, scales: Tensor) -> Tensor:
    """Squared distances to the nearest entries of the table, in units of weights: float32 [rows, columns]."""
    units = weights / scales.clamp(min=1e-30)[:, None]
    quarters = ((units + 128) * 4).clamp(min=0, max=len(nearest) - 1).int()
    return ((units - nearest[quarters]) * scales[:, None]).square()


def encode_at_best_scales(
    weights: Tensor,
    trellis_format: TrellisFormat,
    scales: Tensor,
    importance: Tensor | None = None,
    threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> TrellisMatrix:
    """Encode a matrix without feedback, each row at the one of ``TRIED`` that loses least.

    Parameters
    ----------
    weights
        [rows, columns], any float dtype.
    scales
        The usual scales, float32 [rows].
    importance, threads
        As for ``sw_runtime.search.trellis.encode``.
    progress
        Called with the number of weights done since it was called last.

    Raises
    ------
    InputError, DependencyError
        As ``encode``.
    """
    words, chosen = [], []
    for rows, usual in zip(torch.split(weights, ROWS_A_STEP), torch.split(scales, ROWS_A_STEP), strict=True):
        tried = torch.stack([(multiple * usual).bfloat16().float() for multiple in TRIED])
        found = encode(rows.repeat(len(TRIED), 1), trellis_format, tried.flatten(), None, importance, threads)
        losses = found.losses.view(tried.shape) * tried.double().square()
        best = losses.argmin(dim=0)
        places = torch.arange(len(rows))
        words.append(found.words.view(*tried.shape, -1)[best, places])
        chosen.append(tried[best, places])
        if progress:
            progress(rows.numel())
    return TrellisMatrix(trellis_format, torch.cat(words), torch.cat(chosen), weights.shape[1])
