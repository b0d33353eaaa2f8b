"""From real numbers to integers and keys."""

import math
import operator
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.router.descriptor import KeyFormat
from formats.router.numbers import (
    COUNT,
    SQ7_8,
    SQ7_16,
    UQ0_16,
    UQ0_24,
    Comparison,
    NumberFormat,
    Threshold,
    encode,
    logit,
    threshold,
)

FORMATS = [UQ0_16, UQ0_24, SQ7_16, SQ7_8, COUNT]
OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}

formats = st.sampled_from(FORMATS)


def quantised(number_format: NumberFormat, value: float) -> int:
    return int(number_format.quantise(torch.tensor([value], dtype=torch.float64)))


def passes(key: int, bound: Threshold, comparison: Comparison) -> bool:
    above = key > bound.key if comparison in (">", ">=") else key < bound.key
    return above or (bound.closed and key == bound.key)


class TestQuantise:
    @pytest.mark.parametrize(
        ("number_format", "value", "integer"),
        [
            (UQ0_16, 0.5, 32768),
            (UQ0_16, 1.0, 65535),
            (UQ0_16, 1 / 3, 21845),
            (UQ0_16, 2.0**-17, 0),
            (UQ0_16, 3 * 2.0**-17, 2),
            (UQ0_16, -0.1, 0),
            (UQ0_24, 0.25, 4194304),
            (UQ0_24, 1.0, 16777215),
            (SQ7_16, 1.0, 65536),
            (SQ7_16, -5.2, -340787),
            (SQ7_16, 200.0, 8388607),
            (SQ7_16, -200.0, -8388608),
            (SQ7_16, math.inf, 8388607),
            (SQ7_16, -math.inf, -8388608),
            (SQ7_16, -(2.0**-17), 0),
            (SQ7_16, -3 * 2.0**-17, -2),
            (SQ7_8, 1.0, 256),
            (SQ7_8, 2.0**-9, 0),
            (SQ7_8, 127.999, 32767),
            (COUNT, 501.0, 501),
            (COUNT, 2.0**24, 16777215),
        ],
    )
    def test_examples(self, number_format: NumberFormat, value: float, integer: int) -> None:
        assert quantised(number_format, value) == integer

    @given(number_format=formats, value=st.floats(allow_nan=False))
    def test_it_is_the_nearest_integer_or_the_nearer_limit(self, number_format: NumberFormat, value: float) -> None:
        limited = max(-(2.0**24), min(value, 2.0**24))
        nearest = round(Fraction(limited) * 2**number_format.fraction_bits)  # half to even
        assert quantised(number_format, value) == max(number_format.low, min(nearest, number_format.high))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
    def test_any_float_dtype_and_shape(self, dtype: torch.dtype) -> None:
        integers = UQ0_16.quantise(torch.tensor([[0.5], [0.25]], dtype=dtype))
        assert integers.dtype == torch.int64
        assert integers.tolist() == [[32768], [16384]]

    def test_nan_is_refused(self) -> None:
        with pytest.raises(ValueError, match="1 of 2 values are NaN; nan='lowest' ranks them last"):
            SQ7_16.quantise(torch.tensor([math.nan, 0.0]))

    def test_nan_becomes_the_lowest_when_asked(self) -> None:
        assert SQ7_16.quantise(torch.tensor([math.nan, 0.0]), nan="lowest").tolist() == [-8388608, 0]

    def test_nan_can_only_be_refused_or_lowest(self) -> None:
        with pytest.raises(ValueError, match="nan must be 'raise' or 'lowest', not 'highest'"):
            SQ7_16.quantise(torch.tensor([0.0]), nan="highest")


class TestKeys:
    @pytest.mark.parametrize(
        ("value", "key"),
        [(-math.inf, 0x000000), (-6.5, 0x798000), (-5.2, 0x7ACCCD), (-5.0, 0x7B0000), (0.0, 0x800000)],
    )
    def test_logits(self, value: float, key: int) -> None:
        assert int(encode(quantised(SQ7_16, value), KeyFormat.S24)) == key

    @given(number_format=formats, data=st.data())
    def test_order_is_kept(self, number_format: NumberFormat, data: st.DataObject) -> None:
        integers = st.integers(number_format.low, number_format.high)
        one, other = data.draw(integers), data.draw(integers)
        keys = encode(torch.tensor([one, other]), number_format.key_format).tolist()
        assert (one < other, one == other) == (keys[0] < keys[1], keys[0] == keys[1])
        assert all(0 <= key < 1 << 24 for key in keys)

    def test_bits_of_a_negative_number_are_as_good_as_the_number(self) -> None:
        assert int(encode(-2 & 0xFFFF, KeyFormat.S16)) == int(encode(-2, KeyFormat.S16)) == 0x7FFE


class TestThreshold:
    @pytest.mark.parametrize(("probability", "integer"), [(0.65, 40569), (0.68, 49399), (0.8, 90852)])
    def test_strict_logits_round_down(self, probability: float, integer: int) -> None:
        assert threshold(logit(probability), ">", SQ7_16) == (integer ^ 0x800000, False)

    def test_nothing_is_above_a_probability_of_one(self) -> None:
        assert threshold(logit(1.0), ">", SQ7_16) == (0xFFFFFF, False)

    def test_everything_is_at_least_minus_infinity(self) -> None:
        assert threshold(logit(0.0), ">=", SQ7_16) == (0, True)

    @settings(max_examples=2000, deadline=None)
    @given(
        number_format=formats,
        comparison=st.sampled_from(list(OPERATORS)),
        value=st.one_of(st.floats(-2, 2), st.floats(-200, 200), st.sampled_from([math.inf, -math.inf, 1e9])),
        distance=st.integers(-2, 2),
    )
    def test_comparing_keys_equals_comparing_real_numbers(
        self, number_format: NumberFormat, comparison: Comparison, value: float, distance: int
    ) -> None:
        nearest = quantised(number_format, value)
        integer = max(number_format.low, min(nearest + distance, number_format.high))
        bound = threshold(value, comparison, number_format)
        key = int(encode(integer, number_format.key_format))
        exact = Fraction(integer, 1 << number_format.fraction_bits)
        expected = OPERATORS[comparison](float(exact), value)  # a format's numbers are exact in float64
        assert passes(key, bound, comparison) == expected

    def test_a_fraction_is_taken_exactly(self) -> None:
        assert threshold(Fraction(500), ">", COUNT) == (500, False)
        assert threshold(Fraction(1, 3), ">=", UQ0_16) == (21846, True)

    def test_nan_is_refused(self) -> None:
        with pytest.raises(ValueError, match="a threshold must be a number or an infinity, not NaN"):
            threshold(math.nan, ">", SQ7_16)

    def test_an_unknown_comparison_is_refused(self) -> None:
        with pytest.raises(ValueError, match="comparison must be '>', '>=', '<' or '<=', not '=='"):
            threshold(0.5, "==", SQ7_16)

    @pytest.mark.parametrize("probability", [-0.1, 1.1, math.nan])
    def test_a_logit_needs_a_probability(self, probability: float) -> None:
        with pytest.raises(ValueError, match="a probability must be 0 to 1"):
            logit(probability)
