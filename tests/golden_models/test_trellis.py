"""Rows of trellis words to integers and back."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from formats.presets import TRELLIS_PRESETS
from formats.trellis import TrellisFormat, odd_table
from golden_models.trellis import (
    decode,
    encode,
    indices,
    integer_weights,
    stream_bits,
    windows,
    words_of_bits,
)

TINY = TrellisFormat("tiny", 8, (1,), (0b10001000, 0b01010110, 0b00100101), odd_table((1, 3, 6, 12)))
TINY_MIXED = replace(TINY, name="tiny-mixed", fresh_bits=(2, 1))
FORMATS = {preset.name: preset for preset in (*TRELLIS_PRESETS.values(), TINY, TINY_MIXED)}
EVERY_FORMAT = pytest.mark.parametrize("trellis_format", FORMATS.values(), ids=FORMATS)


def random_words(rows: int, blocks: int, trellis_format: TrellisFormat, seed: int = 0) -> Tensor:
    return torch.randint(1 << trellis_format.word_bits, (rows, blocks), generator=torch.Generator().manual_seed(seed))


class TestDecode:
    """From words to weights, step by step."""

    @pytest.mark.parametrize(
        ("name", "word", "weights"),
        [
            ("trellis-4bit", 0x9E3779B1, [-40, -45, -20, 14, -12, 7, -11, -13]),
            ("trellis-3.5bit", 0xE3779B1, [-40, -18, -18, -35, 43, -3, 43, -11]),
            ("trellis-3bit", 0x3779B1, [10, 24, 23, -20, -6, 43, -3, 7]),
            ("trellis-2.5bit", 0x779B1, [10, 5, -45, -30, 43, -6, 43, -12]),
            ("trellis-2bit", 0x79B1, [-19, -40, 24, -45, -30, -20, -35, 14]),
        ],
    )
    def test_golden_words(self, name: str, word: int, weights: list[int]) -> None:
        assert integer_weights(torch.tensor([[word]]), TRELLIS_PRESETS[name], 8).tolist() == [weights]

    def test_windows_show_the_newest_stream_bit_first_and_zeros_before_the_row(self) -> None:
        # Stream, oldest first: 1000 1101 …; the word's low bits are its oldest.
        shown = windows(torch.tensor([[0b1011_0001]]), TRELLIS_PRESETS["trellis-4bit"])
        assert [f"{window:012b}" for window in shown[0, :2].tolist()] == ["000000001000", "000010001101"]

    def test_windows_reach_over_words(self) -> None:
        shown = windows(torch.tensor([[1 << 15, 0]]), TRELLIS_PRESETS["trellis-2bit"])
        assert shown[0, 7:13].tolist() == [1, 1 << 2, 1 << 4, 1 << 6, 1 << 8, 1 << 10]
        assert shown[0, 13:].tolist() == [0, 0, 0]

    @EVERY_FORMAT
    def test_words_and_stream_bits_are_the_same(self, trellis_format: TrellisFormat) -> None:
        words = random_words(3, 4, trellis_format)
        assert (words_of_bits(stream_bits(words, trellis_format), trellis_format) == words).all()

    @EVERY_FORMAT
    def test_a_window_slides_by_the_fresh_bits(self, trellis_format: TrellisFormat) -> None:
        shown = windows(random_words(3, 4, trellis_format), trellis_format)
        for t in range(1, shown.shape[1]):
            kept = trellis_format.window_bits - trellis_format.fresh(t)
            assert (shown[:, t] >> trellis_format.fresh(t) == shown[:, t - 1] & ((1 << kept) - 1)).all()

    @EVERY_FORMAT
    def test_the_mix_is_the_format_s(self, trellis_format: TrellisFormat) -> None:
        every = torch.arange(1 << trellis_format.window_bits)
        assert indices(every, trellis_format).tolist() == [trellis_format.index(window) for window in every.tolist()]

    def test_weights_are_integers_times_the_row_s_scale(self) -> None:
        words = random_words(2, 2, TINY_MIXED)
        decoded = decode(words, torch.tensor([0.5, 0.0]), TINY_MIXED, 11)
        assert decoded.shape == (2, 11)
        assert (decoded[0] == integer_weights(words, TINY_MIXED, 11)[0] / 2).all()
        assert not decoded[1].any()


class TestEncode:
    """The Viterbi search finds the least error of all rows of words."""

    @pytest.mark.parametrize("trellis_format", [TINY, TINY_MIXED], ids=["tiny", "tiny-mixed"])
    def test_equals_brute_force(self, trellis_format: TrellisFormat) -> None:
        generator = torch.Generator().manual_seed(1)
        targets = 6 * torch.randn(6, 8, generator=generator, dtype=torch.float64)
        importance = torch.rand(8, generator=generator, dtype=torch.float64)
        every = torch.tensor(list(itertools.product((0, 1), repeat=trellis_format.word_bits)))
        candidates = integer_weights(words_of_bits(every, trellis_format), trellis_format, 8).double()
        found = integer_weights(encode(targets, trellis_format, importance), trellis_format, 8).double()
        least = torch.stack([((candidates - row).square() @ importance).min() for row in targets])
        torch.testing.assert_close((found - targets).square() @ importance, least)

    @EVERY_FORMAT
    def test_finds_weights_that_a_row_of_words_makes(self, trellis_format: TrellisFormat) -> None:
        made = integer_weights(random_words(2, 4, trellis_format), trellis_format, 29)
        found = encode(made.double(), trellis_format)
        assert (integer_weights(found, trellis_format, 29) == made).all()

    @pytest.mark.parametrize(
        ("name", "error"),
        [
            ("trellis-4bit", 0.073),
            ("trellis-3.5bit", 0.102),
            ("trellis-3bit", 0.142),
            ("trellis-2.5bit", 0.197),
            ("trellis-2bit", 0.276),
        ],
    )
    def test_relative_error_on_gaussian_rows(self, name: str, error: float) -> None:
        targets = 26 * torch.randn(4, 384, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        found = integer_weights(encode(targets, TRELLIS_PRESETS[name]), TRELLIS_PRESETS[name], 384)
        assert (found - targets).norm() < error * targets.norm()
