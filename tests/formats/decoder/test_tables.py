import math
from collections.abc import Callable

import pytest

from formats.decoder.tables import FACTOR_BITS, GATES, LARGEST_FACTOR, POWER, RECIPROCAL, RECIPROCAL_ROOT, Table

TABLES: dict[str, tuple[Table, float, Callable[[float], float]]] = {
    "reciprocal root": (RECIPROCAL_ROOT, 3, lambda x: (1 + x) ** -0.5),
    "reciprocal": (RECIPROCAL, 1, lambda x: 1 / (1 + x)),
    "power": (POWER, 1, lambda x: 2**-x),
    "silu": (GATES["silu"], 16, lambda x: 1 / (1 + math.exp(-x))),
    "gelu": (GATES["gelu"], 16, lambda x: math.erfc(-x / math.sqrt(2)) / 2),
    "gelu_pytorch_tanh": (
        GATES["gelu_pytorch_tanh"],
        16,
        lambda x: (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    ),
}
"""A table, the end of its domain, and its function."""


@pytest.mark.parametrize("name", TABLES)
def test_values_are_the_functions_at_equal_steps_rounded_to_nearest(name: str) -> None:
    table, end, function = TABLES[name]
    step = end / (len(table.values) - 1)
    for index, value in enumerate(table.values):
        exact = min(function(index * step) * 2**FACTOR_BITS, LARGEST_FACTOR)
        assert abs(value - exact) <= 0.5 + 1e-6


@pytest.mark.parametrize("name", TABLES)
def test_a_table_fits_a_block_ram_of_512_words_and_a_multiplier_of_18_signed_bits(name: str) -> None:
    values = TABLES[name][0].values
    assert len(values) <= 513  # the last value only ends the last line
    assert all(0 <= value <= LARGEST_FACTOR for value in values)
    assert TABLES[name][0].fraction_bits <= 17
