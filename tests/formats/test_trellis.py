"""The layout of trellis weights: widths, bounds and what a code must satisfy."""

from dataclasses import replace
from typing import Any

import pytest

from formats.presets import TRELLIS_PRESETS
from formats.trellis import TrellisFormat, odd_table

EVERY_PRESET = pytest.mark.parametrize("trellis_format", TRELLIS_PRESETS.values(), ids=TRELLIS_PRESETS)
THREE = TRELLIS_PRESETS["trellis-3bit"]


class TestPresets:
    """One mix and one table at every rate."""

    @pytest.mark.parametrize(
        ("name", "bits", "row_bytes"),
        [
            ("trellis-4bit", 32, 52),
            ("trellis-3.5bit", 28, 46),
            ("trellis-3bit", 24, 39),
            ("trellis-2.5bit", 20, 33),
            ("trellis-2bit", 16, 26),
        ],
    )
    def test_eight_weights_make_a_word_and_rows_have_no_gaps(self, name: str, bits: int, row_bytes: int) -> None:
        trellis_format = TRELLIS_PRESETS[name]
        assert trellis_format.word_bits == bits
        assert trellis_format.bits_per_weight == bits / 8
        assert trellis_format.row_bytes(100) == row_bytes

    def test_they_share_their_code(self) -> None:
        assert len({(preset.window_bits, preset.masks, preset.table) for preset in TRELLIS_PRESETS.values()}) == 1

    @EVERY_PRESET
    def test_the_table_is_odd_about_minus_one_half(self, trellis_format: TrellisFormat) -> None:
        table = trellis_format.table
        assert all(table[255 - i] == ~table[i] for i in range(256))
        assert list(table) == sorted(table)

    @EVERY_PRESET
    def test_fresh_bits_reach_every_slice_of_the_table_once_from_every_register(
        self, trellis_format: TrellisFormat
    ) -> None:
        bits = trellis_format.fresh(0)
        for register in range(1 << trellis_format.register_bits):
            tops = [trellis_format.index(register << bits | fresh) >> 8 - bits for fresh in range(1 << bits)]
            assert sorted(tops) == list(range(1 << bits))

    @EVERY_PRESET
    def test_the_window_table_joins_mix_and_table(self, trellis_format: TrellisFormat) -> None:
        assert trellis_format.window_table[0b100000000001] == trellis_format.table[0b10100000]


class TestWidths:
    """What hardware and files take from a format."""

    def test_two_numbers_of_fresh_bits_take_turns(self) -> None:
        turns = {name: [preset.fresh(t) for t in range(4)] for name, preset in TRELLIS_PRESETS.items()}
        assert turns["trellis-3.5bit"] == [4, 3, 4, 3]
        assert turns["trellis-2.5bit"] == [3, 2, 3, 2]

    def test_a_word_depends_on_what_the_window_holds_of_the_words_before(self) -> None:
        assert [preset.register_bits for preset in TRELLIS_PRESETS.values()] == [8, 8, 9, 9, 10]

    def test_the_accumulator_holds_a_row_of_extreme_weights_and_activations(self) -> None:
        assert THREE.maximum_weight == 128
        bits = THREE.accumulator_bits(4096, 16)
        assert 4096 * 128 * 2**15 < 2 ** (bits - 1) <= 2 * 4096 * 128 * 2**15


class TestErrors:
    """A code that cannot work is refused, by the name of what is wrong."""

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"window_bits": 17}, "window_bits must be 8 to 16, not 17"),
            ({"fresh_bits": ()}, "fresh_bits must be one or two numbers"),
            ({"fresh_bits": (4, 4, 4)}, "fresh_bits must be one or two numbers"),
            ({"fresh_bits": (5,)}, "fresh_bits must be 1 to 4, not 5"),
            ({"fresh_bits": 3}, "fresh_bits must be tuple, not 3"),
            ({"fresh_bits": ("3",)}, "fresh_bits must be an integer, 1 to 4, not '3'"),
            ({"window_bits": 12.0}, r"window_bits must be an integer, 8 to 16, not 12\.0"),
            ({"masks": (1.5, *THREE.masks[1:])}, "masks must choose among 12 window bits"),
            ({"table": (0.5, *THREE.table[1:])}, "table must hold weights of -128 to 127, integers"),
            ({"masks": THREE.masks[:2]}, "masks must be 3 to 12, one an index bit, not 2"),
            ({"masks": (0x1000, *THREE.masks[1:])}, "masks must choose among 12 window bits"),
            ({"table": THREE.table[1:]}, "table must hold 256 weights, not 255"),
            ({"table": (-129, *THREE.table[1:])}, "table must hold weights of -128 to 127"),
            ({"masks": (*THREE.masks[:7], 0x244)}, "the 3 fresh bits of a weight do not reach every slice"),
        ],
    )
    def test_says_what_is_wrong(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            replace(THREE, **change)


def test_an_odd_table_is_made_of_its_upper_half() -> None:
    assert odd_table((0, 1, 5, 9)) == (-10, -6, -2, -1, 0, 1, 5, 9)
