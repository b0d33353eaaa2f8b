"""Positions of parallel document paths in fixed point: superposition prompting (arXiv 2404.06910 §3.2).

Documents of different lengths are stretched to one harmonic-mean length S, so that the query begins
at the same position on every path. Positions are UQ12.20: 12 bits before, 20 after the binary point.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from formats.errors import InputError

FRACTION_BITS = 20


def _fixed(value: Fraction) -> int:
    """Nearest UQ12.20, halves up."""
    return math.floor(value * (1 << FRACTION_BITS) + Fraction(1, 2))


def equilibrium_positions(preamble: int, documents: Sequence[int]) -> tuple[list[Tensor], int]:
    """Positions of each document's tokens, and where the query starts.

    Parameters
    ----------
    preamble
        Tokens before the documents.
    documents
        Tokens of each document.

    Returns
    -------
    tuple[list[Tensor], int]
        UQ12.20 positions, int64 [length] a document; and the query's first position, its next ones
        follow at steps of ``1 << 20``.

    Raises
    ------
    InputError
        If there is no document, or one is empty, or a position needs more than 12 integer bits.
    """
    if not documents or min(documents) < 1:
        raise InputError(f"documents must be one or more lengths of at least 1, not {list(documents)!r}")
    stretched = len(documents) / sum((Fraction(1, length) for length in documents), Fraction(0))
    start = preamble << FRACTION_BITS
    query = start + _fixed(stretched)
    if query >> 12 + FRACTION_BITS:
        raise InputError(f"position {query / (1 << FRACTION_BITS):.1f} is beyond 4095, the last of UQ12.20")
    return [start + torch.arange(length) * _fixed(stretched / length) for length in documents], query
