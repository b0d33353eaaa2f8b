"""Error feedback: later blocks of columns compensate the error of earlier ones.

LDLQ (QuIP, arXiv 2307.13304, §3), which is GPTQ's recursion (arXiv 2210.17323, §3), with a block of
columns instead of a column. For a row's error ``e`` and the input covariance ``H``,

    e H eᵀ = |e U⁻¹|²,    H⁻¹ = Uᵀ U,    U upper triangular.

Once the columns of a block I are fixed, the columns J to its right can best answer their error e_I by
moving by ``-e_I U_II⁻¹ U_IJ``, and the cost that is left for I is ``|U_II⁻ᵀ e_Iᵀ|²``: the metric that
the seed search minimises.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.errors import InputError
from formats.matrices import EncodedMatrix
from sw_runtime.search.search import encode_blocks, in_units

DAMPING = 0.01
"""Share of the mean power added to every input, so that none counts for nothing."""


def inverse_factor(covariance: Tensor) -> Tensor:
    """Upper triangular U with ``(H + damping)⁻¹ = Uᵀ U``: [n, n] of any float dtype → float64 [n, n].

    An input that is never excited is free of all others. Inputs of no power at all count alike.

    Raises
    ------
    InputError
        If the covariance is not finite, as of inputs that overflow.
    """
    power = covariance.diagonal().double().mean().item() or 1.0
    damped = covariance.to(torch.float64, copy=True)
    damped.diagonal().add_(DAMPING * power)
    factor, failed = torch.linalg.cholesky_ex(damped)
    del damped  # matrices of this size are the most that a fit holds
    if failed or not factor.sum().isfinite():
        raise InputError("its inputs overflow on the calibration text, so the model is damaged or needs another dtype")
    inverse = torch.cholesky_inverse(factor)
    del factor
    upper: Tensor = torch.linalg.cholesky(inverse, upper=True)
    return upper


def encode_with_feedback(
    weights: Tensor,
    block_format: BlockFormat,
    scales: Tensor,
    factor: Tensor,
    threads: int = 1,
    progress: Callable[[int], object] | None = None,
) -> EncodedMatrix:
    """Encode a weight matrix from its first column block to its last, each answering the errors before it.

    Parameters
    ----------
    weights
        [rows, columns], any float dtype.
    block_format
        Any format of fewer coefficients than weights per block.
    scales
        float32 [rows] (scaled formats) or [1] (paper formats).
    factor
        ``inverse_factor`` of the input's covariance, float64 [columns, columns].
    threads
        Threads of the search within a column block. They do not change the result.
    progress
        Called with the number of weights done since it was called last.

    Raises
    ------
    InputError
        As ``encode_blocks``.
    """
    rows, columns = weights.shape
    size, blocks = block_format.block_size, block_format.blocks(columns)
    targets = torch.zeros(rows, blocks * size, dtype=torch.float64)
    targets[:, :columns] = in_units(weights, scales)
    words = torch.empty(rows, blocks, dtype=torch.int64)
    for block in range(blocks):
        inside, after = slice(block * size, (block + 1) * size), slice((block + 1) * size, columns)
        inverse = torch.linalg.inv(_padded(factor[inside, inside], size, factor.diagonal().max()))
        words[:, block] = encode_blocks(targets[:, inside], inverse.T, block_format, threads)
        found = EncodedMatrix(block_format, words[:, block, None], scales, size).integers()
        errors = (targets[:, inside] - found) * (scales > 0)[:, None]  # a row of zeros is met by its scale of 0
        if after.start < columns:
            targets[:, after] -= errors @ (inverse @ factor[inside, after])
        if progress:
            progress(rows * min(size, columns - block * size))
    return EncodedMatrix(block_format, words, scales, columns)


def _padded(factor: Tensor, size: int, largest: Tensor) -> Tensor:
    """A block of a factor with columns that stand for padding: independent of all others, and as cheap to miss as the
    cheapest: [size, size].
    """
    padded = largest * torch.eye(size, dtype=torch.float64)
    padded[: len(factor), : len(factor)] = factor
    return padded
