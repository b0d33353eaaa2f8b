"""One record a preset; whoever asks for a format by name asks this table."""

from dataclasses import replace
from typing import Any

import pytest

from formats import presets
from formats.engine import format_names
from formats.palette_format import Palette
from formats.presets import (
    PALETTES,
    PRESETS,
    TRELLIS_PRESETS,
    Preset,
    is_registered,
    mixed_formats,
    preset_named,
    preset_of,
    register,
)
from tests.formats.five_bits import FIVE_BITS


def test_a_registered_preset_is_known_by_name_everywhere(five_bits: Preset) -> None:
    assert PRESETS["scaled-5bit"] == five_bits.layout
    assert "scaled-5bit" in format_names()
    assert mixed_formats("scaled-5bit")[-2:] == ("scaled-4bit", "scaled-5bit")
    assert preset_of(five_bits.layout) is five_bits
    assert preset_named("scaled-5bit") is five_bits


def test_registering_the_same_preset_again_changes_nothing(five_bits: Preset) -> None:
    before = list(PRESETS)
    register(five_bits)
    assert list(PRESETS) == before


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


def test_a_trellis_format_is_registered_like_a_block_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "_REGISTERED", dict(presets._REGISTERED))
    one_bit = replace(TRELLIS_PRESETS["trellis-2bit"], name="trellis-1bit", fresh_bits=(1,))
    register(replace(preset_named("trellis-2bit"), layout=one_bit, next="trellis-2bit"))
    assert TRELLIS_PRESETS["trellis-1bit"] == one_bit
    assert mixed_formats("trellis-2bit")[:2] == ("trellis-1bit", "trellis-2bit")
    assert "trellis-1bit" not in PRESETS


def test_half_bits_are_mixed_with_whole_ones() -> None:
    assert mixed_formats("trellis-4bit") == (
        "trellis-2bit",
        "trellis-2.5bit",
        "trellis-3bit",
        "trellis-3.5bit",
        "trellis-4bit",
    )


def test_every_family_has_its_own_table() -> None:
    assert [list(family) for family in (TRELLIS_PRESETS, PALETTES)] == [
        ["trellis-4bit", "trellis-3.5bit", "trellis-3bit", "trellis-2.5bit", "trellis-2bit"],
        ["palette-4bit", "palette-2bit"],
    ]
    assert not set(PRESETS) & {*TRELLIS_PRESETS, *PALETTES}


def test_the_paper_s_formats_mix_the_scaled_ones() -> None:
    assert mixed_formats("paper-4bit") == mixed_formats("scaled-3bit") == ("scaled-2bit", "scaled-3bit", "scaled-4bit")


def test_palettes_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="palette-4bit has no formats to mix to a number of bits; give a scaled or"):
        mixed_formats("palette-4bit")


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"format must be one of paper-4bit, .*trellis-4bit, .*not 'seven-bits'"):
        preset_named("seven-bits")


@pytest.mark.parametrize("constant", [-0.05, 0, float("inf"), float("nan"), "small"])
@pytest.mark.parametrize("field", ["ordinary_error", "row_step", "rounding_error", "reach"])
def test_constants_are_positive_numbers(field: str, constant: object) -> None:
    with pytest.raises(ValueError, match="scaled-5bit: a preset's constants are positive numbers, not"):
        replace(FIVE_BITS, **{field: constant})


@pytest.mark.parametrize("name", ["", "a/b", "fp16"])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a preset is called by letters, digits, dots and hyphens, and not fp16; not"):
        replace(FIVE_BITS, layout=replace(FIVE_BITS.layout, name=name))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("layout", "scaled-4bit", "layout must be BlockFormat or TrellisFormat or Palette, not 'scaled-4bit'"),
        ("next", 4, "next must be str or None, not 4"),
        ("mixed", "yes", "mixed must be bool, not 'yes'"),
        ("bucketed_from", 1.5, r"bucketed_from must be int or None, not 1\.5"),
    ],
)
def test_an_argument_of_another_type_is_named(field: str, value: object, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        replace(FIVE_BITS, **{field: value})


def test_only_presets_are_registered() -> None:
    with pytest.raises(ValueError, match="preset must be Preset, not 'scaled-5bit'"):
        register("scaled-5bit")  # type: ignore[arg-type]


@pytest.mark.parametrize("code_bits", [3, 1, 8, "4"])
def test_a_palette_of_codes_that_no_file_holds_is_refused(code_bits: Any) -> None:
    with pytest.raises(ValueError, match=f"code_bits must be .*2 or 4, not {code_bits!r}"):
        Palette(code_bits)


def test_palettes_of_one_width_have_one_name() -> None:
    with pytest.raises(ValueError, match="a preset 'palette-4bit' is registered already, with other parameters"):
        register(Preset(Palette(4), ordinary_error=0.2))
