"""What a drop rate means, and how floats and short fractions get it wrong."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.router.rates import drop_count, rate24

TOKENS = range(1, 4097)
TENTHS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def wrong(counts: list[int], expected: list[int]) -> int:
    return sum(count != right for count, right in zip(counts, expected, strict=True))


class TestDropCount:
    @pytest.mark.parametrize(("rate", "tokens", "count"), [(0.7, 90, 63), (0.29, 100, 29), (0.3, 10, 3), (0.5, 1, 0)])
    def test_it_is_exact_in_the_decimal_written(self, rate: float, tokens: int, count: int) -> None:
        assert drop_count(rate, tokens) == count

    def test_a_fraction_is_taken_as_it_is(self) -> None:
        assert drop_count(Fraction(1, 3), 10) == 3
        assert drop_count(Fraction(1, 3), 3) == 1

    def test_all_and_none(self) -> None:
        assert [drop_count(rate, 7) for rate in (0, 0.0, 1, 1.0)] == [0, 0, 7, 7]

    @pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan])
    def test_a_rate_is_0_to_1(self, rate: float) -> None:
        with pytest.raises(ValueError, match="a rate must be 0 to 1"):
            drop_count(rate, 10)

    @settings(max_examples=2000, deadline=None)
    @given(rates=st.tuples(st.floats(0, 1), st.floats(0, 1)), tokens=st.integers(0, 4096))
    def test_a_higher_rate_never_drops_fewer(self, rates: tuple[float, float], tokens: int) -> None:
        lower, higher = sorted(rates)
        assert 0 <= drop_count(lower, tokens) <= drop_count(higher, tokens) <= tokens


class TestRate24:
    @pytest.mark.parametrize(
        ("rate", "code"), [(0.1, 1677722), (0.3, 5033165), (0.5, 8388608), (0.7, 11744052), (0.9, 15099495)]
    )
    def test_codes(self, rate: float, code: int) -> None:
        assert rate24(rate) == code

    @pytest.mark.parametrize(
        ("denominator", "tokens"), [(10, 2_097_151), (100, 174_762), (1000, 16_912), (10_000, 1_680)]
    )
    def test_it_is_exact_for_short_decimals(self, denominator: int, tokens: int) -> None:
        counts = torch.arange(tokens + 1)
        for numerator in range(1, denominator, max(1, denominator // 500)):
            exact = numerator * counts // denominator
            assert torch.equal(rate24(Fraction(numerator, denominator)) * counts >> 24, exact)

    @pytest.mark.parametrize("rate", [1, 1.0, Fraction(2**25 - 1, 2**25)])
    def test_a_rate_that_rounds_to_one_is_refused(self, rate: float | Fraction) -> None:
        with pytest.raises(ValueError, match="does not fit 24 bits; send DROP with the number of tokens"):
            rate24(rate)

    def test_a_rate_is_0_to_1(self) -> None:
        with pytest.raises(ValueError, match=r"a rate must be 0 to 1, not 1\.5"):
            rate24(1.5)


class TestOtherRules:
    """How many of 4096 lengths other ways of counting get wrong."""

    @pytest.mark.parametrize(("rate", "count"), list(zip(TENTHS, [0, 0, 0, 0, 0, 0, 70, 0, 0], strict=True)))
    def test_float64_products(self, rate: float, count: int) -> None:
        assert wrong([int(rate * n) for n in TOKENS], [drop_count(rate, n) for n in TOKENS]) == count

    @pytest.mark.parametrize(
        ("rate", "count"), list(zip(TENTHS, [409, 819, 409, 819, 0, 819, 409, 819, 409], strict=True))
    )
    def test_16_bit_rates_rounded_down(self, rate: float, count: int) -> None:
        floors = [math.floor(rate * 65536) * n >> 16 for n in TOKENS]
        assert wrong(floors, [drop_count(rate, n) for n in TOKENS]) == count

    @pytest.mark.parametrize(
        ("rate", "count"), list(zip(TENTHS, [409, 819, 409, 819, 0, 819, 339, 819, 409], strict=True))
    )
    def test_float64_products_against_16_bit_rates(self, rate: float, count: int) -> None:
        floors = [math.floor(rate * 65536) * n >> 16 for n in TOKENS]
        assert wrong([int(rate * n) for n in TOKENS], floors) == count

    @pytest.mark.parametrize(("rate", "count"), list(zip(TENTHS, [0, 0, 70, 0, 0, 0, 0, 819, 409], strict=True)))
    def test_float64_kept_counts(self, rate: float, count: int) -> None:
        kept = 1 - Fraction(repr(rate))
        assert wrong([int(n * (1 - rate)) for n in TOKENS], [drop_count(kept, n) for n in TOKENS]) == count

    @pytest.mark.parametrize("rate", TENTHS)
    def test_rate24_is_never_wrong(self, rate: float) -> None:
        assert [rate24(rate) * n >> 24 for n in TOKENS] == [drop_count(rate, n) for n in TOKENS]

    def test_rounding_down_the_kept_instead_of_the_dropped_keeps_one_fewer(self) -> None:
        fewer = [n - drop_count(0.1, n) - drop_count(Fraction(9, 10), n) for n in TOKENS]
        assert (fewer.count(1), fewer.count(0)) == (3687, 409)
