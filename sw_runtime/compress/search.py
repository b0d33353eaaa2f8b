"""The best word for every block of a matrix: exact, and fast enough for whole models.

The result is the joint optimum over seed, exponent and coefficients of the squared error, like
``golden_models.seedlm.codec.encode(..., coefficients="optimal")``, found by the C kernel.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

import torch
from torch import Tensor

from golden_models.seedlm.block_format import BlockFormat
from golden_models.seedlm.codec import EncodedMatrix, row_scales
from sw_runtime.compress import kernel

ROWS_A_TASK = 8192
"""Blocks handed to the kernel at once: it decomposes every seed's matrix anew for each call."""

LARGEST_UNITS = 1e15
"""Weights over scales above this would overflow the kernel's float32 scan."""


def encode_matrix(
    weights: Tensor,
    block_format: BlockFormat,
    scales: Tensor | None = None,
    importance: Tensor | None = None,
    threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> EncodedMatrix:
    """Find the best word for every block.

    Parameters
    ----------
    weights
        [rows, columns], any float dtype. Matrices of one importance are cheaper stacked.
    block_format
        Any format of fewer coefficients than weights a block.
    scales
        float32 [rows] (scaled formats) or [1] (paper formats); ``codec.row_scales`` when not given.
    importance
        Weight of each column's squared error, [columns]; all alike when not given.
    threads
        Threads to use; all cores when not given. They do not change the result.
    progress
        Called with the number of weights done since it was called last.

    Raises
    ------
    ValueError
        If a tensor has the wrong shape, is not finite, or the scales do not fit the weights.
    RuntimeError
        If the kernel cannot be compiled.
    """
    if weights.dim() != 2 or not weights.numel():
        raise ValueError(f"weights must be a matrix [rows, columns], not {list(weights.shape)}")
    scales = row_scales(weights, block_format) if scales is None else scales.float()
    _check(weights, block_format, scales, importance)
    rows, columns = weights.shape
    size, blocks = block_format.block_size, block_format.blocks(columns)
    units = torch.zeros(rows, blocks * size, dtype=torch.float64)
    units[:, :columns] = weights.double() / scales.double().clamp(min=1e-30)[:, None]
    if not units.abs().max() < LARGEST_UNITS:
        raise ValueError(f"weights reach {units.abs().max():.3g} times their scale; give larger scales")
    metric = torch.ones(blocks * size, dtype=torch.float64)
    if importance is not None:
        metric[:columns] = importance.double().sqrt()
    words = _encode_units(
        units.view(rows, blocks, size),
        metric.view(blocks, size),
        block_format,
        threads or len(os.sched_getaffinity(0)),
        progress or (lambda weights_done: None),
    )
    return EncodedMatrix(block_format, words, scales, columns)


def _check(weights: Tensor, block_format: BlockFormat, scales: Tensor, importance: Tensor | None) -> None:
    rows, columns = weights.shape
    expected = 1 if block_format.exponent_bits else rows
    if list(scales.shape) != [expected]:
        raise ValueError(f"{block_format.name} takes scales [{expected}], not {list(scales.shape)}")
    if importance is not None and list(importance.shape) != [columns]:
        raise ValueError(f"importance must be [{columns}], one value a column, not {list(importance.shape)}")
    for name, tensor in (("weights", weights), ("scales", scales), ("importance", importance)):
        if tensor is not None and not tensor.isfinite().all():
            raise ValueError(f"{name} must be finite; repair or leave out the matrix that holds NaN or infinity")
    if importance is not None and (importance < 0).any():
        raise ValueError("importance must not be negative")
    unscaled = (scales <= 0) & weights.any(dim=1)
    if unscaled.any():
        row = int(unscaled.nonzero()[0])
        raise ValueError(f"row {row} holds weights but its scale is {scales.expand(rows)[row]:g}; it must be positive")


def _encode_units(
    units: Tensor, metric: Tensor, block_format: BlockFormat, threads: int, progress: Callable[[int], object]
) -> Tensor:
    """Words of blocks in units of their scale: float64 [rows, blocks, C] → int64 [rows, blocks].

    Blocks of one metric, float64 [blocks, C], share the decomposition of the seeds' matrices, so a
    task is some rows of one column block, or of all of them where the metric is the same.
    """
    shape = units.shape[:2]
    if (metric == metric[0]).all():
        units, metric = units.reshape(-1, 1, units.shape[2]), metric[:1]
    words = torch.empty(units.shape[:2], dtype=torch.int64)
    function = kernel.encode_blocks(block_format)

    def encode(block: int, first: int) -> int:
        targets = units[first : first + ROWS_A_TASK, block].contiguous()
        found = torch.empty(len(targets), dtype=torch.int64)
        if function(len(targets), targets.data_ptr(), metric[block].data_ptr(), found.data_ptr()):
            raise MemoryError("no memory for the seed search; use fewer threads")
        words[first : first + ROWS_A_TASK, block] = found
        return targets.numel()

    def tasks() -> Iterator[tuple[int, int]]:
        for block in range(units.shape[1]):
            for first in range(0, units.shape[0], ROWS_A_TASK):
                yield block, first

    with ThreadPoolExecutor(threads) as pool:
        for future in as_completed([pool.submit(encode, *task) for task in tasks()]):
            progress(future.result())
    return words.view(shape)
