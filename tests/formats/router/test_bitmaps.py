"""Sets of tokens as words, lists and truth tables."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from formats.router.bitmaps import combine, from_words, indices, to_words


def bits(text: str) -> Tensor:
    """Index 0 first."""
    return torch.tensor([character == "1" for character in text])


def test_token_i_is_bit_i_of_its_word() -> None:
    mask = torch.zeros(20, dtype=torch.bool)
    mask[[0, 1, 2, 3, 19]] = True
    assert to_words(mask).tolist() == [0x000F, 0x0008]
    assert indices(mask).tolist() == [0, 1, 2, 3, 19]


@given(values=st.binary(max_size=50))
def test_words_give_back_the_set(values: bytes) -> None:
    mask = torch.tensor([value % 2 == 1 for value in values], dtype=torch.bool)
    words = to_words(mask)
    assert len(words) == -(-len(mask) // 16)
    assert torch.equal(from_words(words, len(mask)), mask)


def test_bits_from_n_on_are_ignored() -> None:
    assert from_words(torch.tensor([0xFFFF]), 3).tolist() == [True, True, True]


class TestCombine:
    def test_what_lazyllm_computes_at_a_layer(self) -> None:
        selected, cached, saved = bits("11011101"), bits("10010010"), bits("01100110")
        assert indices(combine(0x8888, 8, cached, selected)).tolist() == [0, 3]
        revived = combine(0x0808, 8, saved, selected, cached)
        assert to_words(revived).tolist() == [0x0022]

    def test_what_lazyllm_stores_of_the_dropped(self) -> None:
        operands = bits("11011101"), bits("10010101"), bits("10000000"), bits("00001000")
        assert indices(combine(0x0002, 8, *operands)).tolist() == [1]
        saved = combine(0xFF02, 8, *operands)
        assert to_words(saved).tolist() == [0x0012]

    def test_constants(self) -> None:
        assert not combine(0x0000, 3, None).any()
        assert combine(0xFFFF, 3, None).all()

    @given(table=st.integers(0, 0xFFFF), present=st.integers(0, 15))
    def test_the_result_is_the_bit_of_the_table_that_the_operands_number(self, table: int, present: int) -> None:
        number = torch.arange(16)  # every combination of four operands
        operands = [(number >> k & 1).bool() if present >> k & 1 else None for k in range(4)]
        expected = [bool(table >> (i & present) & 1) for i in range(16)]
        assert combine(table, 16, *operands).tolist() == expected
