from fractions import Fraction

import pytest

from sw_runtime.methods.lazyllm.schedule import LazyLLMParameters, port_rates, rates_of_shares


def test_the_ports_schedule_keeps_its_depths_and_shares() -> None:
    assert port_rates(32) == {8: Fraction(3, 10), 16: Fraction(1, 2), 24: Fraction(7, 10)}
    assert list(port_rates(30)) == [7, 15, 22]


def test_nothing_is_dropped_behind_the_last_layer() -> None:
    assert list(port_rates(2)) == [0]


def test_shares_of_all_tokens_become_rates_of_those_left() -> None:
    assert rates_of_shares({8: 0.7, 16: 0.5, 24: 0.3}) == {8: Fraction(3, 10), 16: Fraction(2, 7), 24: Fraction(2, 5)}


@pytest.mark.parametrize("rates", [{0: 1.0}, {0: -0.1}, {-1: 0.5}])
def test_bad_rates_are_refused(rates: dict[int, float]) -> None:
    with pytest.raises(ValueError, match="a layer is at least 0 and its rate 0 to below 1"):
        LazyLLMParameters(rates)


def test_an_even_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match="pooling must be an odd width, not 4"):
        LazyLLMParameters({}, pooling=4)
