"""GPTQ (arXiv 2210.17323): rounding to the nearest whose errors the columns to the right answer.

It is the error feedback of ``sw_runtime.fit.feedback`` with a grid of integers instead of seeds, so the two differ
in nothing but the weights that they can express.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sw_runtime.evaluate.rounding import group_scales, round_to_nearest
from sw_runtime.fit.feedback import inverse_factor
from sw_runtime.fit.layerwise import SharedInput, Stage, visit_stages


def round_with_feedback(weights: Tensor, factor: Tensor, bits: int, group: int = 128) -> Tensor:
    """Weights rounded column by column, each column's error answered by those after it.

    Parameters
    ----------
    weights
        [rows, columns].
    factor
        ``inverse_factor`` of the input's covariance, float64 [columns, columns].
    bits
        Of an integer, which lies within ±(2^(bits-1) − 1).
    group
        Columns that share a 16-bit scale, chosen when the rounding comes to the group (GPTQ, §4, "grouping").

    Returns
    -------
    The rounded weights, as ``weights``.
    """
    targets, columns = weights.double(), weights.shape[1]
    rounded = torch.empty_like(targets)
    for first in range(0, columns, group):
        end = min(first + group, columns)
        errors = torch.empty(len(weights), end - first, dtype=torch.float64)
        scales = group_scales(targets[:, first:end], bits)
        for column in range(first, end):
            rounded[:, column] = round_to_nearest(targets[:, column, None], bits, scales=scales)[:, 0]
            errors[:, column - first] = (targets[:, column] - rounded[:, column]) / factor[column, column]
            targets[:, column:end] -= errors[:, column - first, None] * factor[column, column:end]
        targets[:, end:] -= errors @ factor[first:end, end:]
    return rounded.to(weights.dtype)


def apply_gptq(model: nn.Module, windows: Tensor, names: list[str], bits: int) -> None:
    """Round the named linear layers of a transformers model in place, each on what the rounded ones before it give.

    Parameters
    ----------
    windows
        Token ids to calibrate on, int64 [windows, length].
    """

    def visit(_: Stage, measure: Callable[[], list[SharedInput]]) -> None:
        for shared in measure():
            factor = inverse_factor(shared.statistics.calibration.plain)
            for name in shared.names:
                weights = model.get_submodule(name).weight
                assert isinstance(weights, Tensor)
                weights.copy_(round_with_feedback(weights, factor, bits))

    visit_stages(model, windows, names, visit)
