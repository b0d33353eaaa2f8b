from hypothesis import given
from hypothesis import strategies as st

from sw_runtime.serve.text import Text


class Bytes:
    """A tokenizer whose tokens are the bytes of UTF-8."""

    def decode(self, tokens: list[int], **_: object) -> str:
        return bytes(tokens).decode("utf-8", errors="replace")


def pieces(content: str, stops: list[str]) -> tuple[list[str], Text]:
    text, said = Text(Bytes(), stops), list[str]()
    for token in content.encode():
        said.append(text.add(token))
        if text.stopped:
            break
    return [*said, text.rest()], text


def test_a_character_is_said_once_all_its_bytes_are_there() -> None:
    assert pieces("a€b", [])[0] == ["a", "", "", "€", "b", ""]


def test_what_may_begin_a_stop_is_held_back_until_it_does_not() -> None:
    said, text = pieces("one enough end two", ["end"])
    assert said == ["o", "n", "", "e ", "", "", "eno", "u", "g", "h", " ", "", "", "", ""]
    assert text.stopped


def test_what_was_held_back_is_said_at_the_end() -> None:
    said, text = pieces("the en", ["end"])
    assert "".join(said) == "the en"
    assert said[-1] == "en"
    assert not text.stopped


def test_the_stop_that_comes_first_ends_the_text() -> None:
    assert "".join(pieces("abcdef", ["ef", "cd"])[0]) == "ab"


def test_a_stop_is_held_back_while_its_next_character_is_half_there() -> None:
    assert "".join(pieces("baé", ["aé"])[0]) == "b"


@given(st.text(alphabet="ab€é", max_size=12), st.lists(st.text(alphabet="ab€", min_size=1, max_size=3), max_size=3))
def test_pieces_make_the_text_to_a_stop(content: str, stops: list[str]) -> None:
    said, text = pieces(content, stops)
    written = "".join(said)
    assert content.startswith(written)
    assert text.stopped == any(stop in content for stop in stops)
    assert written == content or content[len(written) :].startswith(tuple(stops))
    assert not any(stop in written for stop in stops)
