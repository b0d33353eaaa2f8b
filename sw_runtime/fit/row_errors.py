"""How far every row's weights are missed, where no text shows what they are worth.

One outlier can take a row's whole range, and its size then hides that all other weights of the row are
lost. So the others are judged by themselves as well.
"""

import torch
from torch import Tensor

OUTLIERS = 64
"""One weight of so many in a row, the largest, and at least one, may be an outlier."""

SMALL = 0.1
"""Rows smaller than this share of the median row are judged as if they were so large."""

AT_ONCE = 1 << 20
"""Weights taken at once: bounds the memory for float64 copies."""


def worst_row_error(weights: Tensor, found: Tensor) -> float:
    """The greatest relative error of any row, or of a row without its outliers.

    Parameters
    ----------
    weights, found
        Dense and decoded matrix, [rows, columns], any float dtypes.
    """
    parts = (torch.split(tensor, max(1, AT_ONCE // weights.shape[1])) for tensor in (weights, found))
    norms = [_norms(part.double(), part_found.double()) for part, part_found in zip(*parts, strict=True)]
    sizes, missed = torch.cat(norms, dim=2)
    if not sizes.any():
        return float(missed.any())
    least = SMALL * sizes[sizes > 0].median()
    return float((missed / sizes.clamp(min=least)).max())


def _norms(weights: Tensor, found: Tensor) -> Tensor:
    """Norms of rows and of their errors, with and without outliers: float64 [2, 2 or 1, rows]."""
    pair = torch.stack([weights, found - weights])
    if weights.shape[1] == 1:
        return pair.square().sum(dim=2).sqrt()[:, None]
    outliers = weights.abs().topk(max(1, weights.shape[1] // OUTLIERS), dim=1).indices
    others = pair.scatter(2, outliers.expand(2, *outliers.shape), 0)
    return torch.stack([pair, others], dim=1).square().sum(dim=3).sqrt()
