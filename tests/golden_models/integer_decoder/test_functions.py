import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from formats.decoder.tables import FACTOR_BITS, GATE_FRACTION_BITS, LARGEST_FACTOR, NORMAL_BITS, PROBABILITY_BITS
from golden_models.integer_decoder.functions import gate_factor, negative_power, reciprocal, reciprocal_root
from golden_models.integer_decoder.vectors import Vector

STRIDE = 61
"""Odd, so that all low bits of an argument are met."""

GATE_ERRORS: dict[str, tuple[float, Callable[[Tensor], Tensor]]] = {
    "silu": (2**-15, torch.sigmoid),
    "gelu": (2**-14, lambda x: torch.special.erfc(-x / math.sqrt(2)) / 2),
    "gelu_pytorch_tanh": (2**-14, lambda x: (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2),
}
"""Bound and function of every gate."""


def numbers_of_all_lengths() -> Tensor:
    """Over whole octaves of both parities, and at the ends of every length."""
    dense = torch.arange(1 << NORMAL_BITS, 1 << NORMAL_BITS + 2, STRIDE)
    ends = torch.tensor([(1 << length) + offset for length in range(1, 53) for offset in (-1, 0)])
    return torch.cat([dense, ends.clamp(min=1), dense[::50] << 20, dense[::50] >> 20])


def test_reciprocal_roots_of_all_lengths_are_within_their_bound() -> None:
    numbers = numbers_of_all_lengths()
    for exponent in (-40, 0, 18):
        factor, power = reciprocal_root(numbers, torch.tensor(exponent))
        exact = torch.ldexp(numbers.double(), torch.tensor(exponent)).rsqrt()
        assert ((torch.ldexp(factor.double(), power) / exact - 1).abs() < 1.6e-5).all()
        assert (factor <= LARGEST_FACTOR).all()


def test_reciprocals_of_all_lengths_are_within_their_bound() -> None:
    numbers = numbers_of_all_lengths()
    factor, power = reciprocal(numbers)
    assert ((torch.ldexp(factor.double(), power) * numbers.double() - 1).abs() < 1.7e-5).all()
    assert (factor <= LARGEST_FACTOR).all()


def test_negative_powers_are_within_their_bound_for_every_fraction() -> None:
    for whole in (0, 1, 9, PROBABILITY_BITS, PROBABILITY_BITS + 2, 1000):
        x = torch.arange(1 << 16) + (whole << 16)
        exact = 2 ** (PROBABILITY_BITS - x.double() / (1 << 16))
        assert ((negative_power(x) - exact).abs() <= 1.6e-5 * exact + 0.5).all()


@pytest.mark.parametrize("name", GATE_ERRORS)
def test_gate_factors_are_within_their_bound_for_every_argument(name: str) -> None:
    bound, function = GATE_ERRORS[name]
    beyond = (1 << GATE_FRACTION_BITS + 4) + 1000
    x = Vector.of(torch.arange(-beyond, beyond), -GATE_FRACTION_BITS)
    found = gate_factor(x, name).double() / (1 << FACTOR_BITS)
    assert ((found - function(x.real())).abs() < bound).all()


def test_gate_factors_do_not_depend_on_where_a_vectors_point_lies() -> None:
    coarse = Vector.of(torch.arange(-40, 41), -2)
    fine = Vector.of(coarse.mantissas << 22, -24)
    assert torch.equal(gate_factor(coarse, "silu"), gate_factor(fine, "silu"))
    far = Vector.of(torch.tensor([1 << 30, -(1 << 30)]), 60)
    assert gate_factor(far, "silu").tolist() == [LARGEST_FACTOR, 0]
