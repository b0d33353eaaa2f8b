"""Functions of integers, each read from a table of ``formats.decoder.tables``, with straight lines between values."""

from functools import cache

import torch
from torch import Tensor

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
from golden_models.integer_decoder.vectors import Vector, shifted


@cache
def _values(table: Table) -> Tensor:
    return torch.tensor(table.values)


def interpolate(table: Table, argument: Tensor) -> Tensor:
    """The function at 0 ≤ argument < ``table.end``: int64 of any shape; ``2^17`` is 1."""
    values, interval = _values(table), argument >> table.fraction_bits
    left = values[interval]
    fraction = argument & ((1 << table.fraction_bits) - 1)
    return left + shifted((values[interval + 1] - left) * fraction, table.fraction_bits)


def bit_length(numbers: Tensor) -> Tensor:
    """Bits of positive integers below 2^53: int64."""
    return torch.frexp(numbers.double()).exponent.long()


def reciprocal_root(number: Tensor, exponent: Tensor) -> tuple[Tensor, Tensor]:
    """1/√(number·2^exponent) as a factor of 17 bits and an exponent; relative error below 1.6e-5.

    Parameters
    ----------
    number
        int64, 1 to 2^53 - 1.
    exponent
        int64, even.
    """
    half = bit_length(number) - NORMAL_BITS - 1 >> 1  # so that number / 4^half lies between 1 and 4
    normal = shifted(number, 2 * half, NORMAL_BITS + 2)
    factor = interpolate(RECIPROCAL_ROOT, normal - (1 << NORMAL_BITS))
    return factor, -(exponent >> 1) - half - NORMAL_BITS // 2 - FACTOR_BITS


def reciprocal(number: Tensor) -> tuple[Tensor, Tensor]:
    """1/number as a factor of 17 bits and an exponent, relative error below 1.7e-5; number int64, 1 to 2^53 - 1."""
    places = bit_length(number) - NORMAL_BITS - 1
    normal = shifted(number, places, NORMAL_BITS + 1)
    factor = interpolate(RECIPROCAL, normal - (1 << NORMAL_BITS))
    return factor, -places - NORMAL_BITS - FACTOR_BITS


def negative_power(argument: Tensor) -> Tensor:
    """2^-x, 1 being ``2^17``: int64 x ≥ 0 with 16 fraction bits; error below 1.6e-5 of the result, and half a unit."""
    fraction = argument & ((1 << SCORE_FRACTION_BITS) - 1)
    whole = argument >> SCORE_FRACTION_BITS
    return shifted(interpolate(POWER, fraction), whole + FACTOR_BITS - PROBABILITY_BITS)


def gate_factor(x: Vector, activation: str) -> Tensor:
    """φ of every element, 1 being ``2^17``, where the activation function is x·φ(x); error below 2^-14."""
    table = GATES[activation]
    size = shifted(x.mantissas.abs(), -x.exponent - GATE_FRACTION_BITS).clamp(max=table.end - 1)
    factor = interpolate(table, size)
    return torch.where(x.mantissas < 0, LARGEST_FACTOR - factor, factor)
