"""Programs by their names, for a text that one of them writes."""

import re

from formats.decoder.program import MatrixPlace, Program
from formats.errors import InputError
from formats.matrices import Matrix
from sw_runtime.decoder.compiler import compile_program, exit_program
from sw_runtime.decoder.experts import nested_expert
from sw_runtime.decoder.parts import DecoderParts

DENSE = "dense"
"""Name of the whole decoder."""

NAMES = f"{DENSE}, exit-LAYERS, expert-NUMBER-of-COUNT"


def chosen_program(parts: DecoderParts, kv_bits: int, name: str) -> tuple[Program, dict[MatrixPlace, Matrix]]:
    """A program and its matrices.

    Parameters
    ----------
    parts
        Of the whole decoder.
    kv_bits
        Bits of a cached key's or value's element: 8 or 16.
    name
        ``dense``; ``exit-10`` for the first ten layers (M2R2); ``expert-1-of-4`` for the first quarter of every MLP's
        neurons, which DynaMoE sorts by their use.

    Raises
    ------
    InputError
        If no program is called so, or the decoder has no such layer or expert; see also ``compile_program``.
    """
    if name == DENSE:
        return compile_program(parts, kv_bits), parts.matrices
    if leaving := re.fullmatch(r"exit-([0-9]+)", name):
        if not 1 <= int(leaving[1]) < len(parts.layers):
            raise InputError(f"program must be exit-1 to exit-{len(parts.layers) - 1}, not {name}")
        return exit_program(parts, kv_bits, int(leaving[1])), parts.matrices
    if nested := re.fullmatch(r"expert-([0-9]+)-of-([0-9]+)", name):
        number, count = int(nested[1]), int(nested[2])
        if not count:
            raise InputError(f"a program is one expert of 1 or more, not {name}")
        if not 1 <= number <= count:
            raise InputError(f"experts are expert-1-of-{count} to expert-{count}-of-{count}, not {name}")
        narrow = nested_expert(parts, number - 1, count)
        return compile_program(narrow, kv_bits), narrow.matrices
    raise InputError(f"no program is called {name!r}; give one of {NAMES}")
