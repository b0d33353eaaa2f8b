"""Rounding to the nearest: what every method must beat."""

import torch
from torch import Tensor


def group_scales(weights: Tensor, bits: int) -> Tensor:
    """One scale per row of a group, [rows, columns] → [rows, 1], from its largest magnitude; a value of 16 bits."""
    limit = (1 << (bits - 1)) - 1
    return (weights.abs().amax(dim=1, keepdim=True) / limit).half().to(weights.dtype).clamp(min=1e-12)


def round_to_nearest(weights: Tensor, bits: int, group: int = 128, scales: Tensor | None = None) -> Tensor:
    """Symmetric integers with one scale per group of columns.

    Parameters
    ----------
    weights
        [rows, columns]; the last group of a row may be shorter.
    bits
        Of an integer, which lies within ±(2^(bits-1) − 1).
    group
        Columns that share a 16-bit scale.
    scales
        Of the only group, [rows, 1]; ``group_scales`` of every group when not given.

    Returns
    -------
    The rounded weights, as ``weights``.
    """
    limit = (1 << (bits - 1)) - 1
    rounded = []
    for part in weights.to(torch.promote_types(weights.dtype, torch.float32)).split(group, dim=1):  # type: ignore[no-untyped-call]
        scale = group_scales(part, bits) if scales is None else scales
        rounded.append((part / scale).round().clamp(-limit, limit) * scale)
    return torch.cat(rounded, dim=1).to(weights.dtype)
