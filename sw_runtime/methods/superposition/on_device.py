"""Paths of a prompt weighed and pruned by a device's router."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from sw_runtime.device.protocol import Device
from sw_runtime.routing.masks import leave_out
from sw_runtime.routing.paths import path_scores


class Segment(Protocol):
    """Tokens that a decoder has read."""

    @property
    def tokens(self) -> Tensor:
        """int64 [m]."""

    def log_likelihoods(self) -> Tensor:
        """Of each token but the first, given those before it: float [m - 1]."""


def path_weights(
    device: Device, documents: Sequence[Segment], queries: Sequence[Segment], document_weight: float
) -> Tensor:
    """w of every path, mean log-likelihood of its query + λ · that of its document: float64, multiples of 2^-16.

    Parameters
    ----------
    device
        A device with a router.
    documents, queries
        One of each a path.
    document_weight
        λ.
    """
    return path_scores(
        device,
        [document.log_likelihoods() for document in documents],
        [query.log_likelihoods() for query in queries],
        document_weight,
    )


def kept_columns(
    device: Device, preamble: int, documents: Sequence[Segment], queries: Sequence[Segment], kept: Tensor
) -> Tensor:
    """Which cached tokens the task sees, in serial order: bool [columns]. One RANGE per dropped path.

    Parameters
    ----------
    device
        A device with a router that holds all tokens.
    preamble
        Tokens that every path sees, which come first.
    documents, queries
        One of each a path.
    kept
        Paths that stay, bool [paths].
    """
    lengths = [len(d.tokens) + len(q.tokens) for d, q in zip(documents, queries, strict=True)]
    start = preamble
    columns = torch.ones(start + sum(lengths), dtype=torch.bool)
    for length, stays in zip(lengths, kept.tolist(), strict=True):
        if not stays:
            columns = leave_out(device, len(columns), start, length, mask=columns)
        start += length
    return columns
