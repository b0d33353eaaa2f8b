"""How block words lie in a file."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.block import BlockFormat
from formats.presets import PRESETS, TRELLIS_PRESETS
from formats.storage import check_seeds, pack_rows, unpack_rows
from formats.trellis import TrellisFormat


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
    words = torch.tensor([[1, 1], [1, 0x70000]])
    with pytest.raises(ValueError, match="block 1 of row 1 has seed 0, which no LFSR can leave; the file is damaged"):
        check_seeds(words, PRESETS["paper-4bit"])


class TestTrellisRows:
    """Rows of trellis words lie in a file like rows of block words."""

    @given(
        st.sampled_from(list(TRELLIS_PRESETS.values())), st.integers(1, 3), st.integers(1, 40), st.integers(0, 1 << 30)
    )
    @settings(max_examples=50, deadline=None)
    def test_unpacking_undoes_packing(self, trellis_format: TrellisFormat, rows: int, columns: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        shape = (rows, trellis_format.blocks(columns))
        words = torch.randint(1 << trellis_format.word_bits, shape, generator=generator)
        stored = pack_rows(words, trellis_format)
        assert stored.shape == (rows, trellis_format.row_bytes(columns))
        assert (unpack_rows(stored, trellis_format, columns) == words).all()

    def test_bytes_follow_one_another_from_the_lowest_of_the_first_word(self) -> None:
        stored = pack_rows(torch.tensor([[0x332211, 0x665544]]), TRELLIS_PRESETS["trellis-3bit"])
        assert stored.tolist() == [[0x11, 0x22, 0x33, 0x44, 0x55, 0x66]]

    def test_rows_of_another_length_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"trellis-3bit rows of 9 weights are uint8 \[rows, 6\], got .* \[1, 5\]"):
            unpack_rows(torch.zeros(1, 5, dtype=torch.uint8), TRELLIS_PRESETS["trellis-3bit"], 9)
