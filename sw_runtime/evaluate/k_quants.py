"""llama.cpp's K-quants (GGUF), by llama.cpp's own C code.

A super-block of 256 weights shares scales of scales. llama.cpp takes other formats of more bits where a row's columns
are no multiple of 256; here such rows are laid end to end, so that a figure is one format's.
"""

import ctypes
from typing import Any

import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants
from torch import Tensor


def k_quantised(weights: Tensor, format: str, library: str) -> Tensor:
    """Weights after a K-quant and back, as ``weights``; without an importance matrix.

    Parameters
    ----------
    weights
        [rows, columns], any float dtype.
    format
        ``"Q4_K"``, ``"Q3_K"`` or ``"Q2_K"``.
    library
        Path of a shared library that exports ggml's functions.
    """
    kind = GGMLQuantizationType[format]
    super_block, stored_bytes = GGML_QUANT_SIZES[kind]
    padding = -weights.numel() % super_block
    values = torch.nn.functional.pad(weights.float().flatten(), (0, padding)).numpy()
    stored = np.empty(len(values) // super_block * stored_bytes, dtype=np.uint8)
    _quantise_chunk(library)(kind, values.ctypes.data, stored.ctypes.data, 0, 1, len(values), None)
    restored = torch.from_numpy(quants.dequantize(stored, kind))[: weights.numel()]
    return restored.view_as(weights).to(weights.dtype)


def _quantise_chunk(library: str) -> Any:
    """``size_t ggml_quantize_chunk(type, source, destination, start, rows, columns, importance)``."""
    function = ctypes.CDLL(library).ggml_quantize_chunk
    function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]
    function.restype = ctypes.c_size_t
    return function
