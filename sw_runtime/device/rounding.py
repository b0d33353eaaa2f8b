"""Results in 24 bits instead of 64, where the link to a board is the slowest part."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from formats.board_requests import ROUNDED_BITS
from formats.engine import RESULT_BITS
from formats.errors import InputError
from sw_runtime.device.comparison import MARGIN

WIDTHS = (RESULT_BITS, ROUNDED_BITS)
"""Bits of a result as a device hands it over: exact, or rounded."""


def check_result_bits(result_bits: int) -> None:
    """Refuse other widths than those there are.

    Raises
    ------
    InputError
        Naming them.
    """
    if result_bits not in WIDTHS:
        raise InputError(f"result_bits must be {WIDTHS[0]}, exact, or {WIDTHS[1]}, rounded, not {result_bits!r}")


def largest_norm(integers: Tensor) -> float:
    """Greatest Euclidean norm of a row of integer weights, [rows, columns]."""
    return float(torch.linalg.vector_norm(integers.double(), dim=1).max())


def places_of(row_norm: float, activations: Tensor) -> int:
    """How many low bits the results of a pass lose: as few as 24 bits allow.

    By Cauchy and Schwarz no sum passes the product of both norms.

    Parameters
    ----------
    row_norm
        Of the matrix, ``largest_norm``.
    activations
        int64 [vectors, columns], those of one pass over the weights.
    """
    norms = torch.linalg.vector_norm(activations.double(), dim=1)
    bound = int(row_norm * float(norms.max()) * MARGIN)
    return max(0, bound.bit_length() - (ROUNDED_BITS - 1))


def without_places(sums: Tensor, places: int) -> Tensor:
    """Exact sums as they come back rounded, zeros for the bits that they lost: int64 of any shape."""
    largest = (1 << ROUNDED_BITS - 1) - 1
    # added to what is left, which no sum of 64 bits overflows
    halves = sums >> places - 1 & 1 if places else torch.zeros_like(sums)
    return ((sums >> places) + halves).clamp(-largest - 1, largest) << places


def results_of(words: Sequence[int], places: int) -> NDArray[np.int64]:
    """Results out of the words that RESULTS answers, with zeros for the bits that they lost: int64 [4 · words / 3]."""
    octets = np.array(words, dtype="<u4").view(np.uint8).reshape(-1, ROUNDED_BITS // 8)
    values = np.zeros(len(octets), dtype=np.int64)
    for place in range(octets.shape[1] - 1):
        values |= octets[:, place].astype(np.int64) << 8 * place
    values |= octets[:, -1].view(np.int8).astype(np.int64) << ROUNDED_BITS - 8
    return values << places
