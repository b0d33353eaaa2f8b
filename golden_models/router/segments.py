"""Log-likelihoods of token runs: the path scores of superposition prompting (arXiv 2404.06910 §3.3).

Values are sQ7.16 integers (``formats.SQ7_16``).
"""

import torch
from torch import Tensor

from formats.errors import InputError
from formats.router.legality import MAXIMUM_LENGTH
from formats.router.numbers import SQ7_16


def segment_mean(values: Tensor) -> int:
    """Mean rounded half up: int64 [m] → ``floor((sum + floor(m / 2)) / m)``.

    Raises
    ------
    InputError
        If there is no value, or more than 4095.
    """
    length = len(values)
    if not 1 <= length <= MAXIMUM_LENGTH:
        raise InputError(f"a segment has 1 to {MAXIMUM_LENGTH} values, not {length}")
    return (int(values.sum()) + length // 2) // length


def path_score(query_mean: int, document_mean: int, weight: int) -> tuple[int, bool]:
    """``query_mean + weight * document_mean``, saturated to sQ7.16, and whether it was.

    ``weight`` is λ as UQ4.12 (1.0 is 4096); its product is rounded half up.
    """
    score = query_mean + (weight * document_mean + 2048 >> 12)
    clipped = max(SQ7_16.low, min(score, SQ7_16.high))
    return clipped, clipped != score


def path_scores(documents: list[Tensor], queries: list[Tensor], weight: int) -> Tensor:
    """Score of every path: n_d runs of document and of query values, int64 [m] each → int64 [n_d]."""
    means = [(segment_mean(q), segment_mean(d)) for d, q in zip(documents, queries, strict=True)]
    return torch.tensor([path_score(q, d, weight)[0] for q, d in means], dtype=torch.int64)
