"""Functions of integers, read from the tables of ``formats.decoder.tables``, for the emulated decoder."""

from functools import cache

import numpy as np

from formats.decoder.tables import (
    FACTOR_BITS,
    GATE_FRACTION_BITS,
    GATES,
    LARGEST_FACTOR,
    NORMAL_BITS,
    POWER,
    PROBABILITY_BITS,
    RECIPROCAL,
    RECIPROCAL_ROOT,
    SCORE_FRACTION_BITS,
    Table,
)
from sw_runtime.decoder.vectors import Integers, Vector, bit_length, shifted


@cache
def _lines(table: Table) -> tuple[Integers, Integers]:
    """Left end and rise of every interval."""
    values = np.array(table.values, dtype=np.int64)
    return values[:-1], np.diff(values)


def interpolate(table: Table, argument: Integers) -> Integers:
    """The function at 0 ≤ argument < ``table.end``; ``2^17`` is 1."""
    lefts, rises = _lines(table)
    interval, bits = argument >> table.fraction_bits, table.fraction_bits
    fraction = argument & ((1 << bits) - 1)
    found: Integers = lefts[interval] + (rises[interval] * fraction + (1 << bits >> 1) >> bits)
    return found


def reciprocal_root(number: Integers, exponent: Integers) -> tuple[Integers, Integers]:
    """1/√(number·2^exponent) as a factor of 17 bits and an exponent: number 1 to 2^53 - 1, exponent even."""
    half = bit_length(number) - NORMAL_BITS - 1 >> 1  # so that number / 4^half lies between 1 and 4
    normal = shifted(number, 2 * half, NORMAL_BITS + 2)
    factor = interpolate(RECIPROCAL_ROOT, normal - (1 << NORMAL_BITS))
    return factor, -(exponent >> 1) - half - NORMAL_BITS // 2 - FACTOR_BITS


def reciprocal(number: Integers) -> tuple[Integers, Integers]:
    """1/number as a factor of 17 bits and an exponent: number 1 to 2^53 - 1."""
    places = bit_length(number) - NORMAL_BITS - 1
    normal = shifted(number, places, NORMAL_BITS + 1)
    factor = interpolate(RECIPROCAL, normal - (1 << NORMAL_BITS))
    return factor, -places - NORMAL_BITS - FACTOR_BITS


def negative_power(argument: Integers) -> Integers:
    """2^-x, 1 being ``2^17``: x ≥ 0 with 16 fraction bits."""
    fraction = argument & ((1 << SCORE_FRACTION_BITS) - 1)
    whole = argument >> SCORE_FRACTION_BITS
    return shifted(interpolate(POWER, fraction), whole + FACTOR_BITS - PROBABILITY_BITS)


def gate_factor(x: Vector, activation: str) -> Integers:
    """φ of every element, 1 being ``2^17``, where the activation function is x·φ(x)."""
    table = GATES[activation]
    size = np.minimum(shifted(np.abs(x.mantissas), -x.exponent - GATE_FRACTION_BITS), table.end - 1)
    factor = interpolate(table, size)
    return np.where(x.mantissas < 0, LARGEST_FACTOR - factor, factor)
