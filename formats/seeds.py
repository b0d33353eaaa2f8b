"""Block words to integers, fast: entries of all seeds from tables, a chunk of rows at a time."""

from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor

from formats.block import BlockFormat, signed_bits

CHUNK_BLOCKS = 1 << 16
"""Blocks decoded at once: enough to amortise a call, few enough for moderate memory."""


def unpack_words(words: Tensor, block_format: BlockFormat) -> tuple[Tensor, Tensor, Tensor]:
    """Fields of block words: seed and exponent, int64 [...], and coefficients, int64 [..., P]."""

    def field(offset: int, bits: int) -> Tensor:
        value = words >> offset & ((1 << bits) - 1)
        return value - (value >> (bits - 1) << bits) if bits else value

    seed_bits, bits = block_format.lfsr_bits, block_format.coefficient_bits
    first = seed_bits + block_format.exponent_bits
    coefficients = [field(first + p * bits, bits) for p in range(block_format.latent_dim)]
    seed = words & block_format.seeds
    return seed, field(seed_bits, block_format.exponent_bits), torch.stack(coefficients, dim=-1)


def integer_dtype(maximum: int) -> torch.dtype:
    """Narrowest signed dtype that holds every value from ``-maximum`` to ``maximum``."""
    for dtype in (torch.int8, torch.int16, torch.int32):
        if signed_bits(maximum) <= torch.iinfo(dtype).bits:
            return dtype
    return torch.int64


@cache
def entry_tables(block_format: BlockFormat) -> Tensor:
    """Matrix entries by column, seed and row of the block: [P, 2^K - 1, C], as narrow as the sums allow.

    All seeds' registers are stepped side by side, C·P times (SeedLM Alg. 1).
    """
    size, terms, bits = block_format.block_size, block_format.latent_dim, block_format.entry_bits
    register = torch.arange(1, block_format.seeds + 1)
    tables = torch.empty(terms, block_format.seeds, size, dtype=integer_dtype(block_format.maximum_sum))
    for place in range(size * terms):
        fed = torch.zeros_like(register)
        for tap in block_format.taps:
            fed ^= register >> tap & 1
        register = register >> 1 | fed << (block_format.lfsr_bits - 1)
        low = register & ((1 << bits) - 1)
        entries = 2 * low - (1 << bits) + 1 if block_format.odd_coefficients else low - (1 << (bits - 1))
        tables[place % terms, :, place // terms] = entries
    return tables


def decoded_rows(words: Tensor, block_format: BlockFormat, columns: int) -> Iterator[tuple[slice, Tensor]]:
    """Rows and their integer weights, [some rows, columns], chunk by chunk; words int64 [rows, blocks].

    The sums are formed in the narrowest dtype: no partial sum exceeds ``maximum_sum``.
    """
    tables = entry_tables(block_format)
    step = max(1, CHUNK_BLOCKS // words.shape[1])
    for start in range(0, len(words), step):
        rows = slice(start, min(start + step, len(words)))
        seed, exponent, coefficients = unpack_words(words[rows], block_format)
        if block_format.odd_coefficients:
            coefficients = 2 * coefficients + 1
        index, multipliers = (seed - 1).flatten(), coefficients.to(tables.dtype).flatten(0, 1)
        sums = torch.zeros(len(index), block_format.block_size, dtype=tables.dtype)
        for p, table in enumerate(tables):
            sums += table.index_select(0, index) * multipliers[:, p, None]
        if block_format.exponent_bits:
            sums = sums.long() << (exponent - block_format.exponent_limits[0]).view(-1, 1)
        yield rows, sums.view(len(seed), -1)[:, :columns]
