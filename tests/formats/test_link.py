"""One set of records is the protocol: fields fit their words, and the page says what they say."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.errors import InputError
from formats.link import BEGIN, END, HEADER, PACKETS, WELCOME, Kind, tables, values_of, word_of, written

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


def test_the_page_has_the_tables_of_the_records() -> None:
    assert written(PAGE.read_text()) == PAGE.read_text()


def test_a_page_without_a_place_for_tables_is_refused() -> None:
    with pytest.raises(InputError, match=r"lacks the lines '<!-- tables -->' .*put them"):
        written("# a page")


def test_only_the_tables_change() -> None:
    assert written(f"before {BEGIN} old {END} after") == f"before {BEGIN}\n\n{tables()}\n\n{END} after"


def test_every_kind_has_one_record() -> None:
    assert [packet.kind for packet in PACKETS] == list(Kind)


def test_the_header_is_one_word_and_every_payload_whole_words() -> None:
    assert sum(field.bits for field in HEADER) == 32
    assert all(sum(field.bits for field in packet.payload) % 32 == 0 for packet in PACKETS)


@given(st.integers(0, 2**64 - 1))
def test_fields_come_back_from_their_word(word: int) -> None:
    assert word_of(WELCOME, values_of(WELCOME, word)) == word


def test_the_first_field_is_lowest() -> None:
    assert word_of(HEADER, {"kind": Kind.REQUEST, "sequence": 3, "session": 0xABCD}) == 0xABCD_03_12


def test_a_value_that_does_not_fit_its_field_is_refused() -> None:
    with pytest.raises(InputError, match="the field sequence takes 0 to 255, not 256"):
        word_of(HEADER, {"kind": Kind.REQUEST, "sequence": 256, "session": 0})


def test_a_missing_field_is_refused() -> None:
    with pytest.raises(InputError, match="the field session takes 0 to 65535, not None"):
        word_of(HEADER, {"kind": Kind.REQUEST, "sequence": 0})
