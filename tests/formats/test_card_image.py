"""A card's image comes back from its bytes, and nothing else does."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.card_image import (
    BLOCK_BYTES,
    HEADER,
    MEANINGS,
    VERSION,
    CardError,
    card_octets,
    check_blocks,
    header_octets,
    memory_octets,
)
from formats.errors import InputError


@given(st.binary(min_size=1, max_size=2000).map(lambda octets: octets + bytes(-len(octets) % 4)))
def test_a_memory_comes_back_from_whole_blocks(memory: bytes) -> None:
    card = card_octets(memory)
    assert len(card) % BLOCK_BYTES == 0
    assert memory_octets(card) == memory
    assert memory_octets(card + bytes(BLOCK_BYTES)) == memory


@pytest.mark.parametrize("size", [0, 3, 5])
def test_bytes_that_are_no_words_are_refused(size: int) -> None:
    with pytest.raises(InputError, match=f"a card's image has 1 or more words of 4 bytes, not {size} bytes"):
        card_octets(bytes(size))


def test_an_image_too_long_for_its_header_is_refused() -> None:
    with pytest.raises(InputError, match="the field words takes 0 to 4294967295, not 4294967296"):
        header_octets(1 << 32, 0)


@pytest.mark.parametrize("size", [1, BLOCK_BYTES - 1, BLOCK_BYTES + 1, 1000])
def test_bytes_that_are_no_whole_blocks_are_no_card(size: int) -> None:
    said = f"^a card has whole blocks of 512 bytes, not {size:,} bytes; give a file that `seedloom image --sd` wrote$"
    card = card_octets(bytes(1024))[:size]
    for check in (check_blocks, memory_octets):
        with pytest.raises(InputError, match=said):
            check(card)


def test_an_image_without_a_word_is_refused() -> None:
    with pytest.raises(InputError, match=r"^the card's image has no word of memory; write one with `seedloom image --"):
        memory_octets(header_octets(0, 0))


@pytest.mark.parametrize("place", [0, 9, 16])
def test_a_damaged_header_is_no_image(place: int) -> None:
    card = bytearray(card_octets(b"word"))
    card[place] ^= 1
    with pytest.raises(InputError, match="this is no image of a card; write one with `seedloom image --sd`"):
        memory_octets(bytes(card))


def test_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    card = card_octets(b"word")
    monkeypatch.setattr("formats.card_image.VERSION", VERSION + 1)
    with pytest.raises(InputError, match=f"the card's image is of version {VERSION}, not {VERSION + 1}; write it"):
        memory_octets(card)


def test_changed_data_are_noticed() -> None:
    card = bytearray(card_octets(b"word"))
    card[BLOCK_BYTES] ^= 1
    with pytest.raises(InputError, match="the card's data are not what was written; write the card again"):
        memory_octets(bytes(card))


def test_every_error_and_field_stands_on_the_page_of_cards() -> None:
    page = (Path(__file__).parents[2] / "docs" / "card.md").read_text()
    assert [f"| {error:d} | {error.name} | {MEANINGS[error]} |" in page for error in CardError] == [True] * 7
    assert [f"| {place} | {field.name} | " in page for place, field in enumerate(HEADER)] == [True] * 5
