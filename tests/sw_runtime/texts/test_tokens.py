import pytest
import torch

from sw_runtime.texts.tokens import spread_windows, tokenize


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
