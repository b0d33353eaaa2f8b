"""The best path of every row of weights through a trellis, fast.

Without feedback the words are those of the Viterbi algorithm, ``golden_models.trellis.encode``. With
feedback every survivor of the Viterbi search answers its own errors (``trellis.c``): a code whose
weights depend on those before cannot be searched block by block. Where there is no C compiler, torch does the
same (``torch_trellis``), on a GPU if it finds one.
"""

import ctypes
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from formats.errors import InputError, SeedloomError
from formats.trellis import TrellisFormat
from sw_runtime.c_library import NoCompilerError, compiled_library
from sw_runtime.cores import cores
from sw_runtime.search import torch_trellis
from sw_runtime.search.search import in_units
from sw_runtime.search.torch_trellis import GROUP

logger = logging.getLogger("seedloom.search")

SOURCE = Path(__file__).with_name("trellis.c")

ROWS_A_TASK = 8
"""Rows handed to the kernel at once: enough to amortise the call, few enough to share out."""

ROWS_A_STEP = {"cpu": 16, "cuda": 1024}
"""Rows that torch searches side by side: a row's survivors take 1 to 4 MB."""

ROWS_AT_ONCE = 512
"""Rows of a factor that are divided at once: bounds the memory for copies."""

LARGEST_UNITS = 1e6
"""Weights over scales above this would leave the kernel's float32 costs no precision."""

FREE = 2.0**-20
"""Importance of a padding column over the least important real one: whatever it holds costs nothing."""


@dataclass(frozen=True)
class EncodedRows:
    """Rows of weights as words, and what they lost.

    Parameters
    ----------
    words
        int64 [rows, blocks].
    losses
        float64 [rows], in squared units of the row's scale: the sum of importance times squared error,
        or ``e H eᵀ`` of the covariance that the feedback answers.
    """

    words: Tensor
    losses: Tensor


@cache
def _compiled(window_bits: int, fresh_bits: tuple[int, ...]) -> Any | None:
    """``encode_rows`` of one rate, see ``trellis.c``; None, said once, where there is no compiler."""
    try:
        return _kernel(window_bits, fresh_bits)
    except NoCompilerError:
        logger.warning("no C compiler found: the trellis search runs in torch, far slower; install gcc or set CC")
        return None


def _kernel(window_bits: int, fresh_bits: tuple[int, ...]) -> Any:
    macros = (("WINDOW_BITS", window_bits), ("FRESH_EVEN", fresh_bits[0]), ("FRESH_ODD", fresh_bits[-1]))
    options = ["-ffp-contract=off", *(f"-D{name}={value}" for name, value in macros)]
    function = ctypes.CDLL(str(compiled_library(SOURCE, options))).encode_rows
    function.argtypes = [ctypes.c_int64, ctypes.c_int64, *[ctypes.c_void_p] * 6]
    function.restype = ctypes.c_int
    return function


def encode(
    weights: Tensor,
    trellis_format: TrellisFormat,
    scales: Tensor,
    factor: Tensor | None = None,
    importance: Tensor | None = None,
    threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> EncodedRows:
    """Find the words of a weight matrix.

    Parameters
    ----------
    weights
        [rows, columns], any float dtype.
    scales
        float32 [rows]. A row of zeros may have scale 0.
    factor
        Upper triangular U with ``H⁻¹ = Uᵀ U``, H the covariance of the inputs, float64 [columns, columns]:
        errors are then fed back, and the loss is ``e H eᵀ``.
    importance
        Without a factor: weight of each column's squared error, [columns]; all alike when not given.
    threads
        Threads to use; all cores when not given. They do not change the result.
    progress
        Called with the number of weights done since it was called last.

    Raises
    ------
    InputError
        If a tensor has the wrong shape, is not finite, or the scales do not fit the weights; or if both
        ``factor`` and ``importance`` are given.
    DependencyError
        If the kernel cannot be compiled.
    """
    _check(weights, scales, factor, importance)
    rows, columns = weights.shape
    groups = -(-columns // GROUP)
    targets = torch.zeros(rows, groups * GROUP)
    targets[:, :columns] = in_units(weights, scales).float()
    if not targets.abs().max() < LARGEST_UNITS:
        raise InputError(f"weights reach {targets.abs().max():.3g} times their scale; give larger scales")
    response = None if factor is None else _response(factor, groups * GROUP)
    column_costs, unit = _column_costs(columns, groups * GROUP, factor, importance)
    problem = _Problem(targets, column_costs, response)
    progress = progress or (lambda weights_done: None)
    function = _compiled(trellis_format.window_bits, trellis_format.fresh_bits)
    if function is None:
        words, losses = _encode_with_torch(problem, trellis_format, lambda done: progress(done * columns))
    else:
        words, losses = _encode_with_kernel(
            problem, trellis_format, function, threads or cores(), lambda done: progress(done * columns)
        )
    return EncodedRows(words[:, : trellis_format.blocks(columns)].contiguous(), losses * unit)


@dataclass(frozen=True)
class _Problem:
    """Rows in units of their scales, padded to whole groups of columns.

    float32 [rows, size], [size], and [size, size] with feedback: ``torch_trellis.encode_rows``.
    """

    targets: Tensor
    column_costs: Tensor
    response: Tensor | None


def _encode_with_kernel(
    problem: _Problem,
    trellis_format: TrellisFormat,
    function: Any,
    threads: int,
    progress: Callable[[int], object],
) -> tuple[Tensor, Tensor]:
    """Words and losses of all rows; ``progress`` is told the rows done."""
    rows, groups = len(problem.targets), problem.targets.shape[1] // GROUP
    table = torch.tensor(trellis_format.window_table, dtype=torch.float32)
    words = torch.empty(rows, 2 * groups, dtype=torch.int64)
    losses = torch.empty(rows, dtype=torch.float64)

    def encode_rows(first: int) -> int:
        part = slice(first, min(first + ROWS_A_TASK, rows))
        shared = (problem.column_costs, problem.response, table)
        tensors = (problem.targets[part], *shared, words[part], losses[part])
        pointers = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
        if function(part.stop - first, groups, *pointers):
            raise SeedloomError("no memory for the trellis search; use fewer threads")
        return part.stop - first

    with ThreadPoolExecutor(threads) as pool:
        for rows_done in pool.map(encode_rows, range(0, rows, ROWS_A_TASK)):
            progress(rows_done)
    return words, losses


def _encode_with_torch(
    problem: _Problem, trellis_format: TrellisFormat, progress: Callable[[int], object]
) -> tuple[Tensor, Tensor]:
    """As ``_encode_with_kernel``, on a GPU if torch finds one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    found = []
    for part in torch.split(problem.targets, ROWS_A_STEP[device]):
        found.append(torch_trellis.encode_rows(part, problem.column_costs, problem.response, trellis_format, device))
        progress(len(part))
    words, losses = zip(*found, strict=True)
    return torch.cat(words), torch.cat(losses)


def _response(factor: Tensor, size: int) -> Tensor:
    """How a column's miss moves the targets after it, ``-U[s, t] / U[s, s]``: float32 [size, size]."""
    response = torch.zeros(size, size)
    columns = len(factor)
    for first in range(0, columns, ROWS_AT_ONCE):  # no float64 copy of the whole
        rows = slice(first, min(first + ROWS_AT_ONCE, columns))
        moved = -(factor[rows] / factor.diagonal()[rows, None])
        response[rows, :columns] = moved.triu(diagonal=first + 1)
    return response


def _column_costs(columns: int, size: int, factor: Tensor | None, importance: Tensor | None) -> tuple[Tensor, float]:
    """What a squared miss in each column costs, float32 [size], and the unit of that cost.

    With feedback ``e H eᵀ = |e U⁻¹|² = sum_t miss_t² / U_tt²``.
    """
    costs = torch.ones(columns, dtype=torch.float64)
    if factor is not None:
        costs = factor.diagonal().double() ** -2
    elif importance is not None and importance.any():
        costs = importance.double()
    unit = costs.max().item()
    costs = (costs / unit).clamp(min=1e-9)  # float32 has to hold their ratios
    padded = torch.full((size,), costs.min().item() * FREE)
    padded[:columns] = costs.float()
    return padded, 0.0 if importance is not None and not importance.any() else unit


def _check(weights: Tensor, scales: Tensor, factor: Tensor | None, importance: Tensor | None) -> None:
    if weights.dim() != 2 or not weights.numel():
        raise InputError(f"weights must be a matrix [rows, columns], not {list(weights.shape)}")
    if factor is not None and importance is not None:
        raise InputError("give a factor or an importance, not both: feedback weighs the columns by its factor")
    rows, columns = weights.shape
    for name, tensor, shape in (
        ("scales", scales, [rows]),
        ("factor", factor, [columns, columns]),
        ("importance", importance, [columns]),
    ):
        if tensor is not None and list(tensor.shape) != shape:
            raise InputError(f"{name} must be {shape}, not {list(tensor.shape)}")
    for name, tensor in (("weights", weights), ("scales", scales), ("factor", factor), ("importance", importance)):
        if tensor is not None and not tensor.isfinite().all():
            raise InputError(f"{name} must be finite; repair or leave out the matrix that holds NaN or infinity")
    if factor is not None and not (factor.diagonal() > 0).all():
        raise InputError("factor must have a positive diagonal")
    if importance is not None and (importance < 0).any():
        raise InputError("importance must not be negative")
    unscaled = (scales <= 0) & weights.any(dim=1)
    if unscaled.any():
        row = int(unscaled.nonzero()[0])
        raise InputError(f"row {row} holds weights but its scale is {scales[row]:g}; it must be positive")
