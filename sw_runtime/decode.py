"""Block words to weights, fast: the golden codec's integers from tables, a chunk of rows at a time."""

from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor

from formats.block import BlockFormat, signed_bits
from formats.matrices import EncodedMatrix, Matrix
from golden_models.seedlm.codec import unpack_words
from golden_models.seedlm.datapath import integer_matrix
from golden_models.seedlm.lfsr import all_entry_matrices

CHUNK_BLOCKS = 1 << 16
"""Blocks decoded at once: enough to amortise a call, few enough for moderate memory."""


def integer_dtype(maximum: int) -> torch.dtype:
    """Narrowest signed dtype that holds every value from ``-maximum`` to ``maximum``."""
    for dtype in (torch.int8, torch.int16, torch.int32):
        if signed_bits(maximum) <= torch.iinfo(dtype).bits:
            return dtype
    return torch.int64


@cache
def _entry_tables(block_format: BlockFormat) -> Tensor:
    """Matrix entries by column, seed and row of the block: [P, 2^K - 1, C], as narrow as the sums allow."""
    tables = all_entry_matrices(block_format).permute(2, 0, 1)
    return tables.to(integer_dtype(block_format.maximum_sum)).contiguous()


def _decoded_rows(matrix: EncodedMatrix) -> Iterator[tuple[slice, Tensor]]:
    """Rows and their integer weights, [some rows, columns], chunk by chunk.

    The sums are formed in the narrowest dtype: no partial sum exceeds ``maximum_sum``.
    """
    block_format = matrix.block_format
    tables = _entry_tables(block_format)
    step = max(1, CHUNK_BLOCKS // matrix.words.shape[1])
    for start in range(0, matrix.rows, step):
        rows = slice(start, min(start + step, matrix.rows))
        seed, exponent, coefficients = unpack_words(matrix.words[rows], block_format)
        if block_format.odd_coefficients:
            coefficients = 2 * coefficients + 1
        index, multipliers = (seed - 1).flatten(), coefficients.to(tables.dtype).flatten(0, 1)
        sums = torch.zeros(len(index), block_format.block_size, dtype=tables.dtype)
        for p, table in enumerate(tables):
            sums += table.index_select(0, index) * multipliers[:, p, None]
        if block_format.exponent_bits:
            sums = sums.long() << (exponent - block_format.exponent_limits[0]).view(-1, 1)
        yield rows, sums.view(len(seed), -1)[:, : matrix.columns]


def integer_weights(matrix: Matrix) -> Tensor:
    """The golden ``integer_matrix``, seeds fast and in the narrowest dtype: int8 to int64 [rows, columns]."""
    if not isinstance(matrix, EncodedMatrix):
        return integer_matrix(matrix)
    weights = torch.empty(matrix.rows, matrix.columns, dtype=integer_dtype(matrix.block_format.maximum_weight))
    for rows, integers in _decoded_rows(matrix):
        weights[rows] = integers
    return weights


def decode(matrix: EncodedMatrix, dtype: torch.dtype = torch.float32) -> Tensor:
    """The golden ``decode``, float32 rounded once more to ``dtype``: [rows, columns]."""
    weights = torch.empty(matrix.rows, matrix.columns, dtype=dtype)
    scales = matrix.scales.double().expand(matrix.rows)
    for rows, integers in _decoded_rows(matrix):
        weights[rows] = (integers.double() * scales[rows, None]).float().to(dtype)
    return weights
