"""The layout of a block word and the widths that follow from it."""

import dataclasses
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.block import LFSR_TAPS, BlockFormat, signed_bits
from formats.presets import PRESETS

PAPER = PRESETS["paper-4bit"]


@pytest.mark.parametrize(
    ("name", "word_bits", "bits_per_weight", "maximum_sum", "sum_bits", "maximum_shift", "accumulator_bits"),
    [
        ("paper-4bit", 32, 4.0, 786_408, 21, 15, 63),
        ("paper-3bit", 36, 3.0, 1_048_544, 21, 15, 64),
        ("scaled-4bit", 32, 4.0, 126, 8, 0, 35),
        ("scaled-3bit", 24, 3.0, 45, 7, 0, 34),
        ("scaled-2bit", 24, 2.0, 45, 7, 0, 34),
    ],
)
def test_widths_of_the_presets(
    name: str,
    word_bits: int,
    bits_per_weight: float,
    maximum_sum: int,
    sum_bits: int,
    maximum_shift: int,
    accumulator_bits: int,
) -> None:
    preset = PRESETS[name]
    assert preset.word_bits == word_bits
    assert preset.bits_per_weight == bits_per_weight
    assert preset.maximum_sum == maximum_sum
    assert preset.sum_bits == sum_bits
    assert preset.maximum_shift == maximum_shift
    assert preset.maximum_weight == maximum_sum << maximum_shift
    assert preset.accumulator_bits(columns=4096, activation_bits=16) == accumulator_bits


def test_every_lfsr_width_from_2_to_24_has_taps() -> None:
    assert sorted(LFSR_TAPS) == list(range(2, 25))


@given(value=st.integers(0, 1 << 40))
def test_signed_bits_is_the_least_width_that_holds_both_signs(value: int) -> None:
    bits = signed_bits(value)
    assert value <= (1 << (bits - 1)) - 1
    assert value == 0 or value > (1 << (bits - 2)) - 1


def test_entries_are_whole_states_unless_entry_bits_is_given() -> None:
    assert PAPER.entry_bits == 16
    assert PRESETS["scaled-3bit"].entry_bits == 2


def test_scaled_formats_have_no_exponent() -> None:
    assert PRESETS["scaled-4bit"].exponent_limits == (0, 0)
    assert PAPER.exponent_limits == (-8, 7)


def test_rows_start_on_a_fresh_block_and_end_on_a_byte() -> None:
    paper_3bit = PRESETS["paper-3bit"]
    assert paper_3bit.blocks(12) == 1
    assert paper_3bit.blocks(13) == 2
    assert paper_3bit.row_bytes(12) == 5  # 36 bits
    assert paper_3bit.row_bytes(24) == 9  # 72 bits
    assert paper_3bit.row_bytes(128 * 12) == 9 * 64  # 128 blocks fill nine beats of 64 bytes


def test_the_padding_of_the_last_block_counts_in_the_accumulator_bound() -> None:
    assert PAPER.accumulator_bits(1, 16) == PAPER.accumulator_bits(8, 16)


@pytest.mark.parametrize(
    ("name", "word", "coefficients"),
    [
        ("scaled-4bit", 0x9E3779B1, (-5, 7, 7, -7, -1, -7)),
        ("scaled-3bit", 0x9E3779, (1, -3, -1, 3, -3)),
        ("scaled-2bit", 0x9E3779, (1, -3, -1, 3, -3)),
    ],
)
def test_golden_words_hold_these_odd_coefficients(name: str, word: int, coefficients: tuple[int, ...]) -> None:
    _, exponent, stored = PRESETS[name].unpack(word)
    assert exponent == 0
    assert tuple(2 * q + 1 for q in stored) == coefficients


def test_seed_exponent_and_coefficients_lie_in_this_order_from_bit_0() -> None:
    assert PAPER.pack(0xACE1, -6, (3, -5, 7)) == 0xACE1 | 0xA << 16 | 0x3 << 20 | 0xB << 24 | 0x7 << 28


@given(block_format=..., data=st.data())
def test_unpack_undoes_pack(block_format: BlockFormat, data: st.DataObject) -> None:
    seed = data.draw(st.integers(1, block_format.seeds))
    exponent = data.draw(st.integers(*block_format.exponent_limits))
    coefficients = tuple(
        data.draw(st.integers(*block_format.coefficient_limits)) for _ in range(block_format.latent_dim)
    )
    word = block_format.pack(seed, exponent, coefficients)
    assert 0 < word < 1 << block_format.word_bits
    assert block_format.unpack(word) == (seed, exponent, coefficients)


@given(block_format=..., data=st.data())
def test_pack_undoes_unpack(block_format: BlockFormat, data: st.DataObject) -> None:
    word = data.draw(st.integers(1, (1 << block_format.word_bits) - 1).filter(lambda word: word & block_format.seeds))
    assert block_format.pack(*block_format.unpack(word)) == word


@given(block_format=...)
def test_a_coefficient_as_it_multiplies_reaches_its_bound(block_format: BlockFormat) -> None:
    low, high = block_format.coefficient_limits
    multipliers = [2 * q + 1 if block_format.odd_coefficients else q for q in (low, high)]
    assert max(map(abs, multipliers)) == block_format.maximum_coefficient


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lfsr_bits": 25}, "lfsr_bits must be 2 to 24, not 25"),
        ({"lfsr_bits": 1}, "lfsr_bits must be 2 to 24, not 1"),
        ({"block_size": 0}, "block_size must be 1 to 64, not 0"),
        ({"latent_dim": 17}, "latent_dim must be 1 to 16, not 17"),
        ({"exponent_bits": 6}, "exponent_bits must be 0 to 5, not 6"),
        ({"coefficient_bits": 9}, "coefficient_bits must be 1 to 8, not 9"),
        ({"entry_bits": 17}, "entry_bits must be 1 to 16, not 17"),
        ({"lfsr_bits": "16"}, "lfsr_bits must be an integer, 2 to 24, not '16'"),
        ({"latent_dim": 3.0}, "latent_dim must be an integer, 1 to 16, not 3.0"),
        ({"odd_coefficients": 1}, "odd_coefficients must be bool, not 1"),
        ({"name": 4}, "name must be str, not 4"),
        ({"latent_dim": 11}, "block words of 64 bits; at most 63 are supported"),
    ],
)
def test_a_parameter_out_of_range_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        dataclasses.replace(PAPER, **changes)


@pytest.mark.parametrize(
    ("seed", "exponent", "coefficients", "message"),
    [
        (0, 0, (0, 0, 0), "seed must be 1 to 65535, not 0"),
        (65536, 0, (0, 0, 0), "seed must be 1 to 65535, not 65536"),
        (1, 8, (0, 0, 0), "exponent must be -8 to 7, not 8"),
        (1, 0, (0, -9, 0), "coefficient must be -8 to 7, not -9"),
        (1, 0, (0, 0), "paper-4bit takes 3 coefficients, not 2"),
    ],
)
def test_a_field_that_does_not_fit_is_named(
    seed: int, exponent: int, coefficients: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        PAPER.pack(seed, exponent, coefficients)


@pytest.mark.parametrize("word", [1 << 32, -1])
def test_a_word_of_the_wrong_width_is_refused(word: int) -> None:
    with pytest.raises(ValueError, match="a paper-4bit word has 32 bits, got"):
        PAPER.unpack(word)


def test_a_word_with_seed_0_is_refused() -> None:
    with pytest.raises(ValueError, match="block word 0x70000 has seed 0, which no LFSR can leave"):
        PAPER.unpack(0x70000)
