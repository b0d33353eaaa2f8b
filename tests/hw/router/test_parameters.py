"""What a router can be built for."""

import pytest

from hw.router.parameters import UnitParameters


def test_digits_of_more_than_six_bits_are_refused() -> None:
    with pytest.raises(ValueError, match=r"digit_bits must be at most 6 in hardware \(8 would take 255 counters\)"):
        UnitParameters(digit_bits=8)


def test_what_the_golden_model_refuses_is_refused() -> None:
    with pytest.raises(ValueError, match="lanes must be 4, 8 or 16, not 5"):
        UnitParameters(lanes=5)


def test_rows_words_and_passes_follow() -> None:
    parameters = UnitParameters(lanes=4, digit_bits=6, keys=4096)
    assert (parameters.rows, parameters.rows_per_word, parameters.passes) == (1024, 4, 4)
