"""One record a preset; whoever asks for a format by name asks this table."""

from dataclasses import replace

import pytest

from formats.engine import format_names
from formats.presets import PRESETS, Preset, is_registered, mixed_formats, preset_of, register
from tests.formats.five_bits import FIVE_BITS


def test_a_registered_preset_is_known_by_name_everywhere(five_bits: Preset) -> None:
    assert PRESETS["scaled-5bit"] == five_bits.block_format
    assert "scaled-5bit" in format_names()
    assert mixed_formats() == ("scaled-2bit", "scaled-3bit", "scaled-4bit", "scaled-5bit")
    assert preset_of(five_bits.block_format) is five_bits


def test_registering_the_same_preset_again_changes_nothing(five_bits: Preset) -> None:
    register(five_bits)
    assert len(PRESETS) == 6


def test_a_name_stands_for_one_format_only(five_bits: Preset) -> None:
    with pytest.raises(ValueError, match="a preset 'scaled-5bit' is registered already, with other parameters"):
        register(replace(five_bits, ordinary_error=0.05))


def test_the_next_format_must_be_there() -> None:
    with pytest.raises(ValueError, match="scaled-5bit goes on with 'scaled-6bit', which is not registered"):
        register(replace(FIVE_BITS, next="scaled-6bit"))


def test_row_scales_need_their_constants() -> None:
    with pytest.raises(ValueError, match="scaled-5bit has row scales: its preset needs row_step, rounding_error and"):
        replace(FIVE_BITS, reach=None)


def test_a_format_of_other_parameters_has_no_record() -> None:
    other = replace(PRESETS["scaled-4bit"], lfsr_bits=12)
    assert not is_registered(other)
    with pytest.raises(ValueError, match="no preset 'scaled-4bit' with these parameters is registered"):
        preset_of(other)
