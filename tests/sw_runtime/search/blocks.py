"""Weights, blocks and metrics to search."""

import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.scales import row_scales


def gaussian(rows: int, columns: int, seed: int = 0) -> Tensor:
    return 0.02 * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def triangular_metric(size: int) -> Tensor:
    """Upper triangular, its rows of very different size: float64 [size, size]."""
    generator = torch.Generator().manual_seed(3)
    return (
        torch.randn(size, size, generator=generator, dtype=torch.float64).triu() * torch.logspace(0, 2, size)[:, None]
    )


def unit_blocks(weights: Tensor, block_format: BlockFormat) -> Tensor:
    """Blocks in units of the scale, as the search takes them: float64 [n, C]."""
    return (weights.double() / row_scales(weights, block_format).double()[:, None]).view(-1, block_format.block_size)
