import pytest
import torch

from sw_runtime.texts.tokens import beginning, spread_windows, text_windows, tokenize


def test_a_text_becomes_the_ids_of_its_tokens() -> None:
    def tokenizer(text: str, verbose: bool) -> dict[str, list[int]]:
        return {"input_ids": [int(word) for word in text.split()]}

    ids = tokenize("5 17 3", tokenizer)
    assert ids.dtype == torch.int64
    assert ids.tolist() == [5, 17, 3]


def test_windows_reach_from_the_first_token_to_the_last() -> None:
    windows = spread_windows(torch.arange(100), windows=3, length=10)
    assert windows[:, 0].tolist() == [0, 45, 90]
    assert windows[2].tolist() == list(range(90, 100))


def test_windows_may_touch_but_not_overlap() -> None:
    assert spread_windows(torch.arange(100), windows=10, length=10).flatten().tolist() == list(range(100))
    with pytest.raises(ValueError, match="the text has 100 tokens, and 11 windows of 10 need 110; give a longer text"):
        spread_windows(torch.arange(100), windows=11, length=10)


class Numbers:
    """Tokens are the numbers of a text; every text begins with a 1, if asked for."""

    def __init__(self, bos_token_id: int | None, begins: bool) -> None:
        self.bos_token_id, self.begins = bos_token_id, begins

    def __call__(self, text: str, verbose: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [1] * self.begins + [int(word) for word in text.split()]}


@pytest.mark.parametrize(
    ("tokenizer", "found"),
    [(Numbers(1, True), [1]), (Numbers(1, False), []), (Numbers(None, True), []), (Numbers(9, True), []), (None, [])],
)
def test_a_text_begins_with_the_token_that_its_tokenizer_adds_if_that_is_its_bos(
    tokenizer: Numbers | None, found: list[int]
) -> None:
    assert beginning(tokenizer).tolist() == found


def test_every_window_begins_as_a_text_does() -> None:
    text = " ".join(map(str, range(10, 70)))
    windows = text_windows(text, Numbers(1, True), 3, 5)
    assert windows.tolist() == [[1, 10, 11, 12, 13], [1, 38, 39, 40, 41], [1, 66, 67, 68, 69]]
    plain = text_windows(text, Numbers(1, False), 3, 5)
    assert torch.equal(plain, spread_windows(torch.arange(10, 70), 3, 5))
    with pytest.raises(ValueError, match="the text has 60 tokens, and 16 windows of 5 need 64"):
        text_windows(text, Numbers(1, True), 16, 5)
