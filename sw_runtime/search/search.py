"""The best word for every block of a matrix: exact, and fast enough for whole models.

The result is the joint optimum over seed, exponent and coefficients of the squared error, like
``golden_models.seedlm.codec.encode(..., coefficients="optimal")``, found by the C kernel.
"""

import logging
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.errors import InputError, SeedloomError
from formats.matrices import EncodedMatrix
from formats.presets import is_registered, preset_of
from formats.scales import row_scales
from sw_runtime.c_library import NoCompilerError
from sw_runtime.cores import cores
from sw_runtime.search import kernel, torch_search

logger = logging.getLogger("seedloom.search")

FEWEST_BLOCKS_A_TASK, BLOCKS_A_TASK = 256, 8192
"""Blocks handed to the kernel at once: it decomposes every seed's matrix anew for each call, which takes as long as the
search of the fewest.
"""

BLOCKS_A_BATCH = 1 << 20
"""The same for the bucketed search, which is the faster the more blocks it divides into cells."""

LARGEST_UNITS = 1e15
"""Weights over scales above this would overflow the kernel's float32 scan."""


def encode_matrix(
    weights: Tensor,
    block_format: BlockFormat,
    scales: Tensor | None = None,
    importance: Tensor | None = None,
    threads: int | None = None,
    progress: Callable[[int], object] | None = None,
    coefficients: str = "optimal",
) -> EncodedMatrix:
    """Find the best word for every block.

    Parameters
    ----------
    weights
        [rows, columns], any float dtype. Matrices of one importance are cheaper stacked.
    block_format
        Any format of fewer coefficients than weights per block.
    scales
        float32 [rows] (scaled formats) or [1] (paper formats); ``formats.scales.row_scales`` when not given.
    importance
        Weight of each column's squared error, [columns]; all alike when not given.
    threads
        Threads to use; all cores when not given. They do not change the result.
    progress
        Called with the number of weights done since it was called last.
    coefficients
        As for ``encode_blocks``.

    Raises
    ------
    InputError
        If a tensor has the wrong shape, is not finite, or the scales do not fit the weights; or of
        ``coefficients``, as for ``encode_blocks``.
    DependencyError
        If the kernel cannot be compiled.
    """
    if weights.dim() != 2 or not weights.numel():
        raise InputError(f"weights must be a matrix [rows, columns], not {list(weights.shape)}")
    scales = row_scales(weights, block_format) if scales is None else scales.float()
    _check(weights, block_format, scales, importance)
    rows, columns = weights.shape
    size, blocks = block_format.block_size, block_format.blocks(columns)
    units = torch.zeros(rows, blocks * size, dtype=torch.float64)
    units[:, :columns] = in_units(weights, scales)
    units = units.view(rows, blocks, size)
    threads, progress = threads or cores(), progress or (lambda weights_done: None)
    metric = torch.ones(blocks * size, dtype=torch.float64)
    if importance is not None:
        metric[:columns] = importance.double().sqrt()
    metric = metric.view(blocks, size)
    if (metric == metric[0]).all():
        words = encode_blocks(units.view(-1, size), metric[0].diag(), block_format, threads, progress, coefficients)
    else:
        words = _encode_column_blocks(units, metric, block_format, threads, progress, coefficients)
    return EncodedMatrix(block_format, words.view(rows, blocks), scales, columns)


def in_units(weights: Tensor, scales: Tensor) -> Tensor:
    """Weights [rows, columns] over their scales, [rows] or [1]: float64; as they are where the scale is 0."""
    return weights.double() / torch.where(scales > 0, scales, 1.0).double()[:, None]


def _encode_column_blocks(
    units: Tensor,
    metric: Tensor,
    block_format: BlockFormat,
    threads: int,
    progress: Callable[[int], object],
    coefficients: str,
) -> Tensor:
    """Words of blocks, float64 [rows, blocks, C], each column block with its own diagonal metric [blocks, C]."""

    def encode(block: int) -> Tensor:
        return encode_blocks(units[:, block], metric[block].diag(), block_format, coefficients=coefficients)

    words = torch.empty(units.shape[:2], dtype=torch.int64)
    with ThreadPoolExecutor(threads) as pool:
        for block, found in enumerate(pool.map(encode, range(len(metric)))):
            words[:, block] = found
            progress(units[:, block].numel())
    return words


def _check(weights: Tensor, block_format: BlockFormat, scales: Tensor, importance: Tensor | None) -> None:
    rows, columns = weights.shape
    expected = 1 if block_format.exponent_bits else rows
    if list(scales.shape) != [expected]:
        raise InputError(f"{block_format.name} takes scales [{expected}], not {list(scales.shape)}")
    if importance is not None and list(importance.shape) != [columns]:
        raise InputError(f"importance must be [{columns}], one value a column, not {list(importance.shape)}")
    for name, tensor in (("weights", weights), ("scales", scales), ("importance", importance)):
        if tensor is not None and not tensor.isfinite().all():
            raise InputError(f"{name} must be finite; repair or leave out the matrix that holds NaN or infinity")
    if importance is not None and (importance < 0).any():
        raise InputError("importance must not be negative")
    unscaled = (scales <= 0) & weights.any(dim=1)
    if unscaled.any():
        row = int(unscaled.nonzero()[0])
        raise InputError(f"row {row} holds weights but its scale is {scales.expand(rows)[row]:g}; it must be positive")


def encode_blocks(
    targets: Tensor,
    metric: Tensor | None,
    block_format: BlockFormat,
    threads: int = 1,
    progress: Callable[[int], object] | None = None,
    coefficients: str = "optimal",
    method: str = "auto",
) -> Tensor:
    """Words with the least error ``|metric @ (decoded - target)|^2`` for blocks that share a metric.

    The search itself holds no Python lock: several calls may run in threads of the caller's.

    Parameters
    ----------
    targets
        float64 [n, C], in units of the scale: a decoded weight is an integer.
    metric
        float64 [C, C], any matrix; ``None`` for the identity.
    block_format
        Any format of fewer coefficients than weights per block.
    threads
        Threads to use. They do not change the result.
    progress
        Called with the number of weights done since it was called last.
    coefficients
        ``"optimal"``: the least error over all seeds, exponents and coefficients.
        ``"rounded"``: the paper's rule, one exponent a seed and rounding (plain formats only).
    method
        ``"brute"`` looks at every seed, ``"bucketed"`` divides the blocks into cells first; ``"auto"``
        takes the faster. ``"torch"`` needs no C compiler, and is what runs where there is none (on a
        GPU if torch finds one). The words are the same.

    Returns
    -------
    int64 [n]

    Raises
    ------
    InputError
        If a tensor has the wrong shape or dtype, or holds values that are not finite or too large; if
        ``coefficients`` or ``method`` is unknown, or "rounded" is asked of an odd format.
    DependencyError
        If the kernel cannot be compiled.
    """
    _check_choices(block_format, coefficients, method)
    size = block_format.block_size
    identity = torch.eye(size, dtype=torch.float64)
    metric = identity if metric is None else metric
    _check_blocks(targets, metric, size)
    metric = metric if metric.any() else identity  # under zeros all words are as good
    metric = _of_unit_size(metric)
    zeros = ~targets.any(dim=1)
    if zeros.sum() < 2:
        return _search(targets.contiguous(), metric, block_format, threads, progress, coefficients, method)
    kept = torch.cat([(~zeros).nonzero(), zeros.nonzero()[:1]]).flatten()  # one block of zeros, slow, stands for all
    found = _search(targets[kept], metric, block_format, threads, progress, coefficients, method)
    words = torch.empty(len(targets), dtype=torch.int64)
    words[kept], words[zeros] = found, found[-1]
    if progress:
        progress((len(targets) - len(kept)) * size)
    return words


def _search(
    targets: Tensor,
    metric: Tensor,
    block_format: BlockFormat,
    threads: int,
    progress: Callable[[int], object] | None,
    coefficients: str,
    method: str,
) -> Tensor:
    """Words of blocks that have been checked."""
    words = torch.empty(len(targets), dtype=torch.int64)
    bucketed = (method_for(len(targets) // threads, block_format) if method == "auto" else method) == "bucketed"
    function = _compiled(block_format) if method != "torch" else None
    if function is None and coefficients == "optimal":
        return _encode_with_torch(targets, metric, block_format, progress)
    function = function or kernel.encode_blocks(block_format)
    share = max(FEWEST_BLOCKS_A_TASK, -(-len(targets) // threads))
    step = min(BLOCKS_A_BATCH if bucketed else BLOCKS_A_TASK, share)

    def encode(first: int) -> int:
        part, found = targets[first : first + step], words[first : first + step]
        rounded = coefficients == "rounded"
        if function(len(part), part.data_ptr(), metric.data_ptr(), bucketed, rounded, found.data_ptr()):
            raise SeedloomError("no memory for the seed search; use fewer threads")
        return part.numel()

    with ThreadPoolExecutor(threads) as pool:
        for weights_done in pool.map(encode, range(0, len(targets), step)):
            if progress:
                progress(weights_done)
    return words


@cache
def _compiled(block_format: BlockFormat) -> Any | None:
    """The kernel; None, said once, where it cannot be compiled for want of a compiler."""
    try:
        return kernel.encode_blocks(block_format)
    except NoCompilerError:
        logger.warning("no C compiler found: the seed search runs in torch, far slower; install gcc or set CC")
        return None


def _encode_with_torch(
    targets: Tensor, metric: Tensor, block_format: BlockFormat, progress: Callable[[int], object] | None
) -> Tensor:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    words = [torch.empty(0, dtype=torch.int64)]
    for first in range(0, len(targets), torch_search.BLOCKS_A_STEP):
        part = targets[first : first + torch_search.BLOCKS_A_STEP]
        words.append(torch_search.encode_blocks(part, metric, block_format, device))
        if progress:
            progress(part.numel())
    return torch.cat(words)


def method_for(blocks: int, block_format: BlockFormat) -> str:
    """The faster search for so many blocks a thread: ``"brute"`` or ``"bucketed"``."""
    first = preset_of(block_format).bucketed_from if is_registered(block_format) else None
    return "bucketed" if first is not None and blocks >= first else "brute"


def _check_choices(block_format: BlockFormat, coefficients: str, method: str) -> None:
    if coefficients not in ("optimal", "rounded"):
        raise InputError(f"coefficients must be 'optimal' or 'rounded', not {coefficients!r}")
    if coefficients == "rounded" and block_format.odd_coefficients:
        raise InputError(f"coefficients='rounded' is the paper's rule; {block_format.name} has odd coefficients")
    if method not in ("auto", "brute", "bucketed", "torch"):
        raise InputError(f"method must be 'auto', 'brute', 'bucketed' or 'torch', not {method!r}")
    if method == "torch" and coefficients == "rounded":
        raise InputError("coefficients='rounded' needs the C kernel; choose another method")


def _check_blocks(targets: Tensor, metric: Tensor, size: int) -> None:
    for name, tensor, shape in (("targets", targets, (len(targets), size)), ("metric", metric, (size, size))):
        if tensor.shape != shape or tensor.dtype != torch.float64:
            expected = f"float64 [{'n' if name == 'targets' else size}, {size}]"
            raise InputError(f"{name} must be {expected}, not {tensor.dtype} {list(tensor.shape)}")
        if not tensor.isfinite().all():
            raise InputError(f"{name} must be finite; repair or leave out what holds NaN or infinity")
    if targets.numel() and not targets.abs().max() < LARGEST_UNITS:
        raise InputError(f"weights reach {targets.abs().max():.3g} times their scale; give larger scales")


def _of_unit_size(metric: Tensor) -> Tensor:
    """The metric times a power of two, which changes no comparison, so that float32 holds its products."""
    _, exponent = math.frexp(metric.abs().max().item())
    return (metric * math.ldexp(1.0, min(-exponent, 1000))).contiguous()
