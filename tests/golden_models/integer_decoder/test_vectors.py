from fractions import Fraction
from math import floor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from formats.decoder.tables import MANTISSA_BITS, ZERO_EXPONENT
from golden_models.integer_decoder.vectors import Vector, shifted

LIMIT = (1 << MANTISSA_BITS) - 1


@given(st.integers(-(1 << 60), 1 << 60), st.integers(-80, 80), st.integers(1, 51))
def test_a_shift_rounds_halves_up_and_clips(value: int, right: int, bits: int) -> None:
    exact = floor(Fraction(value) / Fraction(2) ** right + Fraction(1, 2))
    limit = (1 << bits) - 1
    assert int(shifted(torch.tensor(value), right, bits)) == max(-limit, min(limit, exact))


def test_a_vector_of_zeros_has_the_exponent_that_never_matters() -> None:
    vector = Vector.of(torch.tensor([[0, 0], [0, 1]]), 5)
    assert vector.exponent.tolist() == [[ZERO_EXPONENT], [5]]


def test_bits_are_those_of_the_largest_magnitude() -> None:
    vector = Vector.of(torch.tensor([[3, -8], [0, 0], [LIMIT, 1]]), 0)
    assert vector.bits.tolist() == [[4], [0], [31]]


@pytest.mark.parametrize("bits", [7, 15, 17, 31])
def test_bringing_a_vector_to_bits_rounds_by_half_a_unit_and_the_largest_by_one(bits: int) -> None:
    torch.manual_seed(0)
    vector = Vector.of(torch.randint(-(1 << 20), 1 << 20, (50, 9)), torch.randint(-9, 9, (50, 1)))
    brought = vector.to_bits(bits)
    assert (brought.bits == bits).all()
    unit = torch.ldexp(torch.ones(50, 1), brought.exponent).double()
    largest = brought.mantissas.abs() == (1 << bits) - 1
    assert ((brought.real() - vector.real()).abs() <= torch.where(largest, 1.0, 0.5) * unit).all()
    assert Vector.of(torch.tensor([0xFFFFF, 1]), 0).to_bits(15).mantissas.tolist() == [0x7FFF, 0]


def test_a_real_vector_keeps_31_bits_of_its_largest() -> None:
    values = torch.tensor([[1.5, -2.75, 1e-3], [0, 0, 0], [2.0**-140, 0, -(2.0**-130)]])
    vector = Vector.from_real(values)
    assert (vector.mantissas.abs() <= LIMIT).all()
    largest = values.double().abs().amax(dim=1, keepdim=True)
    assert ((vector.real() - values.double()).abs() <= largest * 2.0**-MANTISSA_BITS).all()
    assert torch.equal(vector.real()[1:], values[1:].double())


def test_heads_merge_at_the_least_exponent_that_holds_them_all() -> None:
    heads = Vector.of(torch.tensor([[[LIMIT, 5]], [[6, -4]]]).transpose(0, 1), torch.tensor([[[0], [3]]]))
    merged = heads.merged()
    assert merged.exponent.tolist() == [[0]]
    assert merged.mantissas.tolist() == [[LIMIT, 5, 48, -32]]
    assert torch.equal(merged.split(2).real(), heads.real())


def test_a_head_of_zeros_leaves_the_others_their_bits() -> None:
    heads = Vector.of(torch.tensor([[[0, 0], [1, -3]]]), torch.tensor([[[99], [-50]]]))
    assert torch.equal(heads.merged().real(), torch.tensor([[0, 0, 2.0**-50, -3 * 2.0**-50]]).double())
