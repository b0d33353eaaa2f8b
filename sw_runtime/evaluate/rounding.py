"""Rounding to the nearest: what every method must beat."""

import torch
from torch import Tensor


def round_to_nearest(weights: Tensor, bits: int, group: int = 128) -> Tensor:
    """Symmetric integers with one scale a group of columns, from the group's largest magnitude.

    Parameters
    ----------
    weights
        [rows, columns]; the last group of a row may be shorter.
    bits
        Of an integer, which lies within ±(2^(bits-1) − 1).
    group
        Columns that share a 16-bit scale.

    Returns
    -------
    The rounded weights, as ``weights``.
    """
    limit = (1 << (bits - 1)) - 1
    rounded = []
    for part in weights.float().split(group, dim=1):  # type: ignore[no-untyped-call]
        scale = (part.abs().amax(dim=1, keepdim=True) / limit).half().float().clamp(min=1e-12)
        rounded.append((part / scale).round().clamp(-limit, limit) * scale)
    return torch.cat(rounded, dim=1).to(weights.dtype)
