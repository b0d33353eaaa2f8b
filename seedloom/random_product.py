"""What ``bench engine`` and ``simulate product`` share: an engine for a random matrix of any size."""

from formats.engine import EngineParameters
from formats.errors import InputError
from sw_runtime.memory import memory_bytes

BYTES_A_WEIGHT = 32
"""Memory that the matrix, its integers and their 64-bit product take at a time."""


def engine_for(
    format: str, rows: int, columns: int, port_bytes: int, lanes: int, activation_bits: int
) -> EngineParameters:
    """An engine for products of one matrix, at least of the default size: one simulator serves every matrix up to it.

    Raises
    ------
    InputError
        If a parameter is out of range, naming it. If this machine's memory does not hold the matrix: the system would
        end the process without a word.
    """
    memory, needed = memory_bytes(), BYTES_A_WEIGHT * rows * columns
    if needed > memory:
        raise InputError(
            f"a product of {rows} x {columns} takes about {needed / 1e9:,.0f} GB to compare, and this machine has "
            f"{memory / 1e9:,.0f}; take fewer rows or columns"
        )
    return EngineParameters(
        (format,),
        port_bytes,
        lanes,
        activation_bits,
        maximum_columns=max(columns, EngineParameters.maximum_columns),
        maximum_rows=max(rows, EngineParameters.maximum_rows),
    )
