"""What a seed stands for: the states of a linear feedback shift register (SeedLM Alg. 1)."""

import torch
from torch import Tensor

from formats.block import LFSR_TAPS, BlockFormat
from formats.errors import InputError


def step(state: int, lfsr_bits: int) -> int:
    """One step of the right-shift Fibonacci LFSR: the XOR of the taps enters at the top."""
    bit = 0
    for tap in LFSR_TAPS[lfsr_bits]:
        bit ^= state >> tap & 1
    return state >> 1 | bit << (lfsr_bits - 1)


def states(seed: int, lfsr_bits: int, count: int) -> Tensor:
    """The ``count`` states after ``seed`` (the seed itself is not one of them): int64 [count].

    Raises
    ------
    InputError
        If ``seed`` is not a state of the register's cycle, 1 to ``2^lfsr_bits - 1``.
    """
    if not 1 <= seed < 1 << lfsr_bits:
        raise InputError(f"seed must be 1 to {(1 << lfsr_bits) - 1}, not {seed!r}")
    sequence = []
    for _ in range(count):
        seed = step(seed, lfsr_bits)
        sequence.append(seed)
    return torch.tensor(sequence)


def matrix(seed: int, block_format: BlockFormat) -> Tensor:
    """V of one seed: the C·P states after it, row by row, as int64 [C, P]."""
    count = block_format.block_size * block_format.latent_dim
    return states(seed, block_format.lfsr_bits, count).view(block_format.block_size, -1)


def entries(state: Tensor, block_format: BlockFormat) -> Tensor:
    """The integer a state contributes to the matrix: int64, any shape.

    Plain formats: ``v - 2^(b-1)``. Odd formats: ``2 v - 2^b + 1``. ``v`` is the low b bits.
    """
    v = state & ((1 << block_format.entry_bits) - 1)
    if block_format.odd_coefficients:
        return 2 * v - (1 << block_format.entry_bits) + 1
    return v - (1 << (block_format.entry_bits - 1))


def all_entry_matrices(block_format: BlockFormat) -> Tensor:
    """Integer entry matrices of every seed: int64 [2^K - 1, C, P], seed s at index s - 1.

    The C·P states after a seed are a window of the one cycle all seeds lie on, so the cycle is
    walked once.
    """
    cycle = states(1, block_format.lfsr_bits, block_format.seeds)
    position = torch.empty(block_format.seeds + 1, dtype=torch.int64)
    position[cycle] = torch.arange(block_format.seeds)
    shape = (block_format.block_size, block_format.latent_dim)
    offsets = torch.arange(1, shape[0] * shape[1] + 1).view(shape)
    window = (position[1:, None, None] + offsets) % block_format.seeds
    return entries(cycle[window], block_format)
