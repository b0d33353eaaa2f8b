"""How block words lie in a file."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from formats.block import BlockFormat
from formats.presets import PRESETS
from formats.storage import pack_rows, unpack_rows


def rows_of_words(data: st.DataObject, block_format: BlockFormat) -> list[list[int]]:
    """A few rows of valid words."""
    word = st.integers(1, (1 << block_format.word_bits) - 1).filter(lambda word: word & block_format.seeds)
    blocks = data.draw(st.integers(1, 5))
    return data.draw(st.lists(st.lists(word, min_size=blocks, max_size=blocks), min_size=1, max_size=3))


@given(block_format=..., data=st.data())
def test_a_row_is_its_words_end_to_end_lowest_bit_first(block_format: BlockFormat, data: st.DataObject) -> None:
    rows = rows_of_words(data, block_format)
    stored = pack_rows(torch.tensor(rows), block_format)
    for row, row_bytes in zip(rows, stored, strict=True):
        number = sum(word << i * block_format.word_bits for i, word in enumerate(row))
        assert bytes(row_bytes.tolist()) == number.to_bytes(len(row_bytes), "little")


@given(block_format=..., data=st.data())
def test_unpack_undoes_pack(block_format: BlockFormat, data: st.DataObject) -> None:
    words = torch.tensor(rows_of_words(data, block_format))
    columns = words.shape[1] * block_format.block_size - data.draw(st.integers(0, block_format.block_size - 1))
    stored = pack_rows(words, block_format)
    assert stored.dtype == torch.uint8
    assert stored.shape[1] == block_format.row_bytes(columns)
    assert torch.equal(unpack_rows(stored, block_format, columns), words)


def test_two_36_bit_words_share_a_byte() -> None:
    stored = pack_rows(torch.tensor([[0x123456789, 0xABCDEF012]]), PRESETS["paper-3bit"])
    assert bytes(stored[0].tolist()).hex() == "896745232101efcdab"  # the fifth byte: 1 of the first, 2 of the second


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        (torch.zeros(2, 7, dtype=torch.uint8), r"torch.uint8 \[2, 7\]"),
        (torch.zeros(8, dtype=torch.uint8), r"torch.uint8 \[8\]"),
        (torch.zeros(2, 8, dtype=torch.int64), r"torch.int64 \[2, 8\]"),
    ],
)
def test_rows_of_the_wrong_shape_or_dtype_are_refused(stored: torch.Tensor, found: str) -> None:
    with pytest.raises(ValueError, match=rf"paper-4bit rows of 16 weights are uint8 \[rows, 8\], got {found}"):
        unpack_rows(stored, PRESETS["paper-4bit"], columns=16)


def test_a_word_with_seed_0_is_found_and_placed() -> None:
    stored = pack_rows(torch.tensor([[1, 1], [1, 0x70000]]), PRESETS["paper-4bit"])
    with pytest.raises(ValueError, match="block 1 of row 1 has seed 0, which no LFSR can leave; the file is damaged"):
        unpack_rows(stored, PRESETS["paper-4bit"], columns=16)
