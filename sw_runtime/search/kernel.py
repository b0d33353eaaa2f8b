"""The search kernel, ``search.c`` and what it includes, compiled for this processor when it is first needed."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

from formats.block import BlockFormat
from formats.errors import InputError
from sw_runtime.c_library import compiled_library

SOURCE = Path(__file__).with_name("search.c")


def _macros(block_format: BlockFormat) -> list[str]:
    values = {
        "BLOCK_SIZE": block_format.block_size,
        "LATENT_DIM": block_format.latent_dim,
        "LFSR_BITS": block_format.lfsr_bits,
        "TAP_MASK": sum(1 << tap for tap in block_format.taps),
        "EXPONENT_BITS": block_format.exponent_bits,
        "COEFFICIENT_BITS": block_format.coefficient_bits,
        "ENTRY_BITS": block_format.entry_bits,
        "ODD": int(block_format.odd_coefficients),
    }
    return [f"-D{name}={value}" for name, value in values.items()]


def build(block_format: BlockFormat) -> Path:
    """Path of the search kernel's shared library for one format; as ``compiled_library``."""
    return compiled_library(SOURCE, _macros(block_format))


@cache
def encode_blocks(block_format: BlockFormat) -> Any:
    """The compiled ``encode_blocks(count, targets, metric, bucketed, rounded, words)`` of one format; see ``search.c``.

    Raises
    ------
    InputError
        If the kernel cannot search the format.
    DependencyError
        If it cannot be compiled.
    """
    if block_format.latent_dim >= block_format.block_size or block_format.word_bits > 62:
        raise InputError(
            f"the search takes formats of fewer coefficients than weights and at most 62 bits per word, "
            f"{block_format.name} has {block_format.latent_dim} for {block_format.block_size} "
            f"and {block_format.word_bits} bits"
        )
    function = ctypes.CDLL(str(build(block_format))).encode_blocks
    function.argtypes = [ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
    function.restype = ctypes.c_int
    return function
