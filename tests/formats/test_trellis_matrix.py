"""Rows of trellis words as a device holds them."""

from dataclasses import replace

import pytest
import torch

from formats.presets import TRELLIS_PRESETS
from formats.trellis import TrellisFormat, odd_table
from formats.trellis_matrix import TrellisMatrix
from golden_models import trellis as golden

HALF = TRELLIS_PRESETS["trellis-2.5bit"]
LONG = TrellisFormat("long", 16, (1,), (0x8002, 0x0404, 0x1011), odd_table((1, 3, 6, 12)))  # two words before it count
FORMATS = {found.name: found for found in (*TRELLIS_PRESETS.values(), LONG)}


def random_matrix(trellis_format: TrellisFormat, rows: int, columns: int) -> TrellisMatrix:
    generator = torch.Generator().manual_seed(3)
    shape = (rows, trellis_format.blocks(columns))
    words = torch.randint(1 << trellis_format.word_bits, shape, generator=generator)
    return TrellisMatrix(trellis_format, words, torch.rand(rows, generator=generator), columns)


@pytest.mark.parametrize("trellis_format", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("columns", [3, 8, 45])
def test_integers_are_the_golden_decoder_s(trellis_format: TrellisFormat, columns: int) -> None:
    matrix = random_matrix(trellis_format, 6, columns)
    assert matrix.integers().dtype == torch.int8
    assert (matrix.integers() == golden.integer_weights(matrix.words, trellis_format, columns)).all()


def test_rows_are_decoded_alike_whatever_chunk_they_fall_in(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = random_matrix(HALF, 7, 45)
    whole = matrix.integers()
    monkeypatch.setattr("formats.trellis_matrix.CHUNK_WORDS", 13)
    assert torch.equal(matrix.integers(), whole)


def test_rows_have_a_scale_each() -> None:
    matrix = random_matrix(HALF, 4, 16)
    assert not matrix.shares_scale
    assert matrix.unit_scales() is matrix.scales


def test_lane_words_are_the_words_in_bytes() -> None:
    words = torch.tensor([[0x01020304, 0xFFFFFFFF]])
    matrix = TrellisMatrix(TRELLIS_PRESETS["trellis-4bit"], words, torch.ones(1), 16)
    assert matrix.lane_words(8).tolist() == [[[4, 3, 2, 1], [255, 255, 255, 255]]]
    assert matrix.table_bytes(groups=1, lanes=1).shape == (1, 0)


def test_a_format_of_other_parameters_is_refused() -> None:
    named = replace(HALF, name="trellis-3bit")
    with pytest.raises(ValueError, match="trellis-3bit is the name of a preset, and the matrix's format has other"):
        random_matrix(named, 1, 8).check_format()


def test_rows_and_scales_stay_without_weights() -> None:
    matrix = random_matrix(HALF, 4, 16).without_weights()
    assert (matrix.rows, matrix.words.numel(), len(matrix.scales)) == (4, 0, 4)
