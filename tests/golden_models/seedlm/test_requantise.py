"""Sums to keys: one rounding, the same for every row, that never turns an order around."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from formats.matrices import EncodedMatrix, Fp16Matrix, comparing_scales
from formats.presets import PRESETS
from formats.row_scales import EXPONENT_BIAS, MAXIMUM_KEY, product_exponent, split_scales, to_bfloat16
from golden_models.seedlm.requantise import requantise


def as_scales(*bits: int) -> Tensor:
    return torch.tensor(bits, dtype=torch.int16).view(torch.bfloat16)


def exact_key(total: int, scale: float, exponent: int) -> int:
    """The definition in fractions: units of 2^(exponent - 134), halves up, clipped."""
    halved = Fraction(total) * Fraction(scale) / Fraction(2) ** (exponent - EXPONENT_BIAS) + Fraction(1, 2)
    return min(max(halved.numerator // halved.denominator, -MAXIMUM_KEY - 1), MAXIMUM_KEY)


sums = st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-(1 << 30), 1 << 30))
finite_scales = st.integers(0, 254 * 128 + 127)


@given(rows=st.lists(st.tuples(sums, finite_scales), min_size=1, max_size=8), above=st.integers(0, 120))
def test_a_key_is_the_rounded_product_of_sum_and_scale(rows: list[tuple[int, int]], above: int) -> None:
    totals, bits = zip(*rows, strict=True)
    scales = as_scales(*bits)
    exponent = int(split_scales(scales)[1].max()) + above
    expected = [exact_key(total, float(scale), exponent) for total, scale in zip(totals, scales.double(), strict=True)]
    assert requantise(torch.tensor(totals), scales, exponent).tolist() == expected


def test_halves_are_rounded_up_and_ends_clipped() -> None:
    ones = torch.ones(7, dtype=torch.bfloat16)  # 128 times 2^(127 - 134)
    totals = torch.tensor([1, -1, 3, -3, 1 << 24, -(1 << 24) - 1, -(1 << 25)])
    assert requantise(totals, ones, EXPONENT_BIAS + 1).tolist() == [1, 0, 2, -1, MAXIMUM_KEY, *[-MAXIMUM_KEY - 1] * 2]


@given(
    pairs=st.lists(st.tuples(st.integers(-(1 << 40), 1 << 40), st.integers(100 * 128, 130 * 128)), min_size=2),
    above=st.integers(0, 40),
)
def test_keys_never_turn_an_order_around(pairs: list[tuple[int, int]], above: int) -> None:
    totals, scales = torch.tensor([total for total, _ in pairs]), as_scales(*(bits for _, bits in pairs))
    keys = requantise(totals, scales, 130 + above).tolist()
    values = [Fraction(total) * Fraction(scale) for total, scale in zip(totals.tolist(), scales.tolist(), strict=True)]
    by_value = [key for _, key in sorted(zip(values, keys, strict=True))]
    assert by_value == sorted(keys)


@given(bits=finite_scales)
def test_a_scale_is_mantissa_times_a_power_of_two(bits: int) -> None:
    mantissa, field = (int(part) for part in split_scales(as_scales(bits)))
    assert 0 <= mantissa <= 255
    assert 1 <= field <= 254
    assert float(as_scales(bits)) == mantissa * 2.0 ** (field - EXPONENT_BIAS)


@given(bound=st.floats(2.0**-100, 2.0**100))
def test_the_exponent_is_the_finest_that_clips_nothing(bound: float) -> None:
    least = as_scales(0)  # has no say
    exponent = product_exponent(bound, least)
    unit = Fraction(2) ** (exponent - EXPONENT_BIAS)
    assert bound <= MAXIMUM_KEY * unit
    assert bound > MAXIMUM_KEY * unit / 2 or exponent == 1


def test_the_exponent_never_asks_a_scale_for_a_shift_to_the_left() -> None:
    assert product_exponent(2.0**-60, as_scales(0, 120 << 7, 3 << 7)) == 120


def test_an_exponent_below_a_scales_own_is_refused() -> None:
    with pytest.raises(ValueError, match="exponent 119 is below the greatest of its scales, 120"):
        requantise(torch.zeros(2, dtype=torch.int64), as_scales(0, 120 << 7), 119)


def matrix(name: str, scales: Tensor) -> EncodedMatrix:
    return EncodedMatrix(PRESETS[name], torch.ones(3, 1, dtype=torch.int64), scales, 8)


def test_rows_with_scales_compare_by_them_and_all_others_as_they_are() -> None:
    scales, ones = torch.tensor([0.5, 0.0, 3.0]), torch.ones(3)
    assert torch.equal(comparing_scales(matrix("scaled-4bit", scales)), scales)
    assert torch.equal(comparing_scales(matrix("paper-4bit", torch.tensor([0.3]))), ones)
    assert torch.equal(comparing_scales(Fp16Matrix(torch.zeros(3, 2).half())), ones)


@pytest.mark.parametrize("wrong", [0.3, -1.0, torch.inf, torch.nan])
def test_a_scale_that_no_bfloat16_number_holds_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"the scale of row 1 is .*, no bfloat16 number of at least 0; compare such"):
        to_bfloat16(torch.tensor([1.0, wrong, 1.0]))
    assert to_bfloat16(torch.tensor([1.0, 0.0])).dtype == torch.bfloat16
