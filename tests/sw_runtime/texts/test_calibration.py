"""Windows of calibration text."""

import pytest
import torch

from sw_runtime.texts.calibration import token_windows


class Letters:
    def __call__(self, text: str, verbose: bool) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text]}


def test_windows_are_spread_over_the_whole_text_and_so_is_their_last_quarter() -> None:
    text = "".join(chr(i) for i in range(150))
    windows = token_windows(text, Letters(), windows=8, length=10)
    assert windows[:, 0].tolist() == [0, 20, 40, 80, 100, 120, 60, 140]
    assert torch.equal(windows[1], torch.arange(20, 30))


def test_a_text_too_short_for_all_windows_gives_fewer() -> None:
    text = "".join(chr(100 + i) for i in range(75))
    assert token_windows(text, Letters(), windows=8, length=10).shape == (4, 10)


def test_a_text_shorter_than_four_windows_is_refused() -> None:
    with pytest.raises(ValueError, match="the calibration text has 39 tokens; give a text of at least 40"):
        token_windows("x" * 39, Letters(), length=10)


@pytest.mark.parametrize("text", [" " * 80, "abcdefghijklmno" * 10])
def test_a_text_that_says_the_same_over_and_over_is_refused(text: str) -> None:
    different = len(set(text))
    remedy = "give ordinary text of the kind that the model will read"
    with pytest.raises(ValueError, match=rf"notes\.txt has only {different} different tokens?; {remedy}"):
        token_windows(text, Letters(), length=10, name="notes.txt")


class Begun(Letters):
    bos_token_id = 7

    def __call__(self, text: str, verbose: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [7, *super().__call__(text, verbose)["input_ids"]]}


def test_every_window_begins_with_the_token_that_the_tokenizer_adds() -> None:
    windows = token_windows("".join(chr(100 + i) for i in range(36)), Begun(), windows=8, length=10)
    assert windows.shape == (4, 10)
    assert windows[:, 0].tolist() == [7, 7, 7, 7]
    assert windows[:, 1:].flatten().tolist() == list(range(100, 136))
    with pytest.raises(ValueError, match=r"my\.txt has 35 tokens; give a text of at least 36"):
        token_windows("x" * 35, Begun(), length=10, name="my.txt")
