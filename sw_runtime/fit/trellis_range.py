"""Trellis rows at the best of several scales.

A trellis row's error depends on its scale by chance as well: other scales are other paths, and some are
luckier by a percent or two. Without feedback a row is encoded so fast that several scales are tried.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from formats.trellis import TrellisFormat
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.search.trellis import encode

TRIED = (0.91, 0.94, 0.97, 1.0, 1.03, 1.06, 1.09)
"""Scales that are tried, over the usual one."""

ROWS_A_STEP = 256
"""Rows encoded at all their scales at once, for moderate memory."""


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
