"""Products with trellis rows that stay packed, by ``trellis.c``."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from formats.trellis import TrellisFormat
from formats.trellis_matrix import stream_table
from sw_runtime.c_library import SHARED_THREADS, compiled_library

SOURCE = Path(__file__).with_name("trellis.c")
STEP = 64
"""Columns are padded to a multiple of this, as in ``trellis.c``."""

TABLE_ENTRIES = 256
DECODE = -1
"""Instead of the number of vectors, as in ``trellis.c``."""

FEW_VECTORS = 16
"""Up to as many vectors are multiplied while a row is decoded; for more, decoded rows go to a matrix library."""

TILE_WEIGHTS = 1 << 18
"""Weights that are decoded at once then."""


class _Rows(ctypes.Structure):
    """``Rows`` of ``trellis.c``."""

    _fields_ = (
        ("columns", ctypes.c_int64),
        ("row_bytes", ctypes.c_int64),
        ("of_window", ctypes.c_void_p),
        ("of_index", ctypes.c_void_p),
        ("low", ctypes.c_uint64),
        ("high", ctypes.c_uint64),
    )


class TrellisRows:
    """A trellis matrix as it is stored, multiplied by ``trellis.c``.

    Parameters
    ----------
    trellis_format
        Of the words.
    stored
        uint8 [rows, row_bytes], on the CPU.
    scales
        bfloat16 [rows].
    columns
        Weights a row.

    Raises
    ------
    DependencyError
        If there is no C compiler.
    """

    def __init__(self, trellis_format: TrellisFormat, stored: Tensor, scales: Tensor, columns: int) -> None:
        self._stored, self._scales, self._columns = stored.contiguous(), scales.float(), columns
        self._function = _compiled(trellis_format)
        self._windows, self._table = stream_table(trellis_format), _index_table(trellis_format)
        mix = _mix(trellis_format)
        self._rows = _Rows(columns, stored.shape[1], self._windows.data_ptr(), self._table.data_ptr(), *mix)

    def multiply(self, hidden_states: Tensor) -> Tensor:
        """[vectors, columns] of any float dtype → [vectors, rows] of the same; sums are float32.

        Up to ``FEW_VECTORS`` vectors, each has the same result alone and beside others.
        """
        if len(hidden_states) > FEW_VECTORS:
            return self._multiply_decoded(hidden_states)
        inputs = torch.nn.functional.pad(hidden_states.detach().float(), (0, -self._columns % STEP)).contiguous()
        outputs = torch.empty(len(inputs), len(self._stored))
        self._call(0, len(self._stored), outputs, inputs)
        return outputs.to(hidden_states.dtype)

    def decoded(self, first: int, last: int) -> Tensor:
        """Weights of rows ``first`` to ``last - 1``: float32 [rows, columns]."""
        weights = torch.empty(last - first, self._columns)
        self._decode(first, weights)
        return weights

    def _multiply_decoded(self, hidden_states: Tensor) -> Tensor:
        outputs = hidden_states.new_empty(len(hidden_states), len(self._stored))
        tile = torch.empty(max(1, TILE_WEIGHTS // self._columns), self._columns)
        for first in range(0, len(self._stored), len(tile)):
            weights = tile[: len(self._stored) - first]
            self._decode(first, weights)
            outputs[:, first : first + len(tile)] = hidden_states.detach() @ weights.to(hidden_states.dtype).T
        return outputs

    def _decode(self, first: int, weights: Tensor) -> None:
        """Fill float32 [some rows, columns] with the rows from ``first``."""
        self._call(first, first + len(weights), weights)

    def _call(self, first: int, last: int, outputs: Tensor, inputs: Tensor | None = None) -> None:
        stored, scales = self._stored[first:last], self._scales[first:last]
        failed = self._function(
            ctypes.byref(self._rows),
            last - first,
            stored.data_ptr(),
            scales.data_ptr(),
            DECODE if inputs is None else len(inputs),
            None if inputs is None else inputs.data_ptr(),
            outputs.data_ptr(),
            torch.get_num_threads(),
        )
        if failed:
            raise MemoryError("no memory for a row of weights")


@cache
def _compiled(trellis_format: TrellisFormat) -> Any:
    """``multiply_rows`` of one format."""
    fresh = trellis_format.fresh_bits
    macros = {
        "WINDOW_BITS": trellis_format.window_bits,
        "FRESH_EVEN": fresh[0],
        "FRESH_ODD": fresh[-1],
        "TABLE_BITS": trellis_format.index_bits,
    }
    options = [*SHARED_THREADS, *(f"-D{name}={value}" for name, value in macros.items())]
    function = ctypes.CDLL(str(compiled_library(SOURCE, options))).multiply_rows
    count, pointer = ctypes.c_int64, ctypes.c_void_p
    function.argtypes = [pointer, count, pointer, pointer, count, pointer, pointer, ctypes.c_int]
    function.restype = ctypes.c_int
    return function


@cache
def _index_table(trellis_format: TrellisFormat) -> Tensor:
    """The weight of every index: int8 [256], repeated where the table is smaller."""
    table = torch.tensor(trellis_format.table, dtype=torch.int8)
    return table.repeat(-(-TABLE_ENTRIES // len(table)))


@cache
def _mix(trellis_format: TrellisFormat) -> tuple[int, int]:
    """The mix as two matrices of 8 by 8 bits, as x86's GFNI takes them: row j of the result is byte 7 - j.

    One is of the window's oldest eight bits, one of the others; the oldest bit is the lowest.
    """
    low = high = 0
    for row, mask in enumerate(trellis_format.masks[:8]):
        length = trellis_format.window_bits
        reversed_mask = sum((mask >> i & 1) << (length - 1 - i) for i in range(length))
        low |= (reversed_mask & 0xFF) << 8 * (7 - row)
        high |= (reversed_mask >> 8) << 8 * (7 - row)
    return low, high
