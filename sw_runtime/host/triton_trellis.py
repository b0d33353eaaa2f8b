"""Products with trellis rows that stay packed, on a GPU by Triton: the golden model's steps, and a sum.

    stored bytes → windows → integer weights → sums → times the row's scale

``golden_models/trellis.py`` is the readable model of the first steps. Sums are float32, in an order that is the same on
every device: lane ``j`` of ``LANES`` adds the products of columns ``j``, ``j + LANES``, … one after the other, products
rounded first. Then neighbouring lanes are added, pair by pair, until one is left.

Triton's interpreter (``TRITON_INTERPRET=1``) runs the same kernels on the CPU; tests do. No GPU has run them yet.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
import triton
import triton.language as tl
from torch import Tensor

from formats.trellis import TrellisFormat
from formats.trellis_matrix import stream_table

LANES = 64
"""Columns that a program takes at once, each into a sum of its own; a power of two."""

ROWS = 4
"""Rows of a program; a power of two."""

FEW_VECTORS = 16
"""Up to as many vectors are multiplied while a row is decoded; for more, decoded rows go to a matrix library."""

TILE_WEIGHTS = 1 << 24
"""Weights that are decoded at once then: 64 MB."""

OPTIONS = {"enable_fp_fusion": False}
"""Of the compiler: a fused multiply-add would not round the product."""

on_device_of: Callable[[Tensor], AbstractContextManager[object]] = torch.cuda.device_of  # torch gives it no types
"""Makes a tensor's GPU the one that kernels start on; does nothing for the CPU."""


class TritonTrellisRows:
    """A trellis matrix as it is stored, multiplied by Triton kernels.

    Parameters
    ----------
    trellis_format
        Of the words; every one is served.
    stored
        uint8 [rows, row_bytes], on the GPU.
    scales
        bfloat16 [rows], there too.
    columns
        Weights a row, at most 65,535 · ``LANES``, as many programs as a GPU's grid has along its second axis.
    """

    def __init__(self, trellis_format: TrellisFormat, stored: Tensor, scales: Tensor, columns: int) -> None:
        self._stored, self._scales, self._columns = stored.contiguous(), scales.float(), columns
        self._windows = stream_table(trellis_format).to(stored.device)
        fresh = trellis_format.fresh_bits
        self._layout = (trellis_format.window_bits, fresh[0], fresh[-1])

    def multiply(self, hidden_states: Tensor) -> Tensor:
        """[vectors, columns] of any float dtype → [vectors, rows] of the same; sums are float32.

        Up to ``FEW_VECTORS`` vectors, each has the same result alone and beside others, on every GPU.
        """
        vectors, rows = len(hidden_states), len(self._stored)
        if vectors > FEW_VECTORS:
            return self._multiply_decoded(hidden_states)
        outputs = hidden_states.new_empty(vectors, rows, dtype=torch.float32)
        if vectors:
            inputs = hidden_states.detach().float().contiguous()
            with on_device_of(inputs):
                _multiply[(triton.cdiv(rows, ROWS),)](
                    *(self._stored, self._windows, self._scales, inputs, outputs),
                    *(rows, self._columns, self._stored.shape[1], vectors),
                    *(*self._layout, triton.next_power_of_2(vectors), ROWS, LANES, LANES.bit_length() - 1),
                    **OPTIONS,
                )
        return outputs.to(hidden_states.dtype)

    def decoded(self, first: int, last: int) -> Tensor:
        """Weights of rows ``first`` to ``last - 1``: float32 [rows, columns]."""
        stored, scales = self._stored[first:last], self._scales[first:last]
        weights = scales.new_empty(len(stored), self._columns)
        with on_device_of(stored):
            _decode[(triton.cdiv(len(stored), ROWS), triton.cdiv(self._columns, LANES))](
                *(stored, self._windows, scales, weights, len(stored), self._columns, stored.shape[1]),
                *(*self._layout, ROWS, LANES),
                **OPTIONS,
            )
        return weights

    def _multiply_decoded(self, hidden_states: Tensor) -> Tensor:
        rows = len(self._stored)
        outputs = hidden_states.new_empty(len(hidden_states), rows)
        step = max(1, TILE_WEIGHTS // self._columns)
        for first in range(0, rows, step):
            weights = self.decoded(first, min(first + step, rows)).to(hidden_states.dtype)
            outputs[:, first : first + step] = hidden_states.detach() @ weights.T
        return outputs


@triton.jit
def _weights(
    stored: tl.tensor,
    windows: tl.tensor,
    row: tl.tensor,
    column: tl.tensor,
    rows: tl.tensor,
    row_bytes: tl.tensor,
    window_bits: tl.constexpr,
    fresh_even: tl.constexpr,
    fresh_odd: tl.constexpr,
) -> tl.tensor:
    """Integer weights of some rows and columns, as float32 [rows, columns]."""
    end = (column // 2 + 1) * fresh_even + (column + 1) // 2 * fresh_odd  # stream bits up to and with the weight's own
    start = end - window_bits
    bits = tl.full((row.shape[0], column.shape[0]), 0, tl.int32)
    for i in tl.static_range((window_bits + 14) // 8):  # bytes that a window touches, at most
        place = (start >> 3) + i
        there = (row < rows)[:, None] & ((place >= 0) & (place < row_bytes))[None, :]  # before the row all bits are 0
        byte = tl.load(stored + row.to(tl.int64)[:, None] * row_bytes + place[None, :], mask=there, other=0)
        bits |= byte.to(tl.int32) << 8 * i
    window = bits >> (start & 7)[None, :] & (1 << window_bits) - 1  # its oldest bit lowest
    return tl.load(windows + window).to(tl.float32)


@triton.jit
def _multiply(
    stored: tl.tensor,
    windows: tl.tensor,
    scales: tl.tensor,
    inputs: tl.tensor,
    outputs: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    row_bytes: tl.tensor,
    vectors: tl.tensor,
    window_bits: tl.constexpr,
    fresh_even: tl.constexpr,
    fresh_odd: tl.constexpr,
    places: tl.constexpr,
    tile: tl.constexpr,
    lanes: tl.constexpr,
    lane_bits: tl.constexpr,
) -> None:
    """``tile`` rows times ``places`` vectors or fewer: float32 [vectors, columns] → [vectors, rows]."""
    row, vector = tl.program_id(0) * tile + tl.arange(0, tile), tl.arange(0, places)
    sums = tl.full((places, tile, lanes), 0, tl.float32)
    for first in range(0, columns, lanes):
        column = first + tl.arange(0, lanes)
        weights = _weights(stored, windows, row, column, rows, row_bytes, window_bits, fresh_even, fresh_odd)
        given = (vector < vectors)[:, None] & (column < columns)[None, :]
        values = tl.load(inputs + vector[:, None] * columns + column[None, :], mask=given, other=0)
        sums += values[:, None, :] * weights[None, :, :]
    for halved in tl.static_range(1, lane_bits + 1):
        left, right = tl.split(tl.reshape(sums, (places, tile, lanes >> halved, 2)))
        sums = left + right
    products = tl.reshape(sums, (places, tile)) * tl.load(scales + row, mask=row < rows, other=0)[None, :]
    wanted = (vector < vectors)[:, None] & (row < rows)[None, :]
    tl.store(outputs + vector[:, None] * rows + row[None, :], products, mask=wanted)


@triton.jit
def _decode(
    stored: tl.tensor,
    windows: tl.tensor,
    scales: tl.tensor,
    outputs: tl.tensor,
    rows: tl.tensor,
    columns: tl.tensor,
    row_bytes: tl.tensor,
    window_bits: tl.constexpr,
    fresh_even: tl.constexpr,
    fresh_odd: tl.constexpr,
    tile: tl.constexpr,
    lanes: tl.constexpr,
) -> None:
    """Weights of ``tile`` rows and ``lanes`` columns: outputs float32 [rows, columns]."""
    row = tl.program_id(0) * tile + tl.arange(0, tile)
    column = tl.program_id(1) * lanes + tl.arange(0, lanes)
    weights = _weights(stored, windows, row, column, rows, row_bytes, window_bits, fresh_even, fresh_odd)
    weights *= tl.load(scales + row, mask=row < rows, other=0)[:, None]
    wanted = (row < rows)[:, None] & (column < columns)[None, :]
    tl.store(outputs + row.to(tl.int64)[:, None] * columns + column[None, :], weights, mask=wanted)
