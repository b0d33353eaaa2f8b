"""Windows of calibration text."""

import importlib.util

import pytest
import torch

from sw_runtime.compress.calibration import packaged_text, token_windows


class Letters:
    def __call__(self, text: str, verbose: bool) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text]}


def test_windows_are_spread_over_the_whole_text_and_so_is_their_last_quarter() -> None:
    text = "".join(chr(i) for i in range(150))
    windows = token_windows(text, Letters(), windows=8, length=10)
    assert windows[:, 0].tolist() == [0, 20, 40, 80, 100, 120, 60, 140]
    assert torch.equal(windows[1], torch.arange(20, 30))


def test_a_text_too_short_for_all_windows_gives_fewer() -> None:
    assert token_windows("x" * 75, Letters(), windows=8, length=10).shape == (4, 10)


def test_a_text_shorter_than_four_windows_is_refused() -> None:
    with pytest.raises(ValueError, match="has 39 tokens; give one of at least 40"):
        token_windows("x" * 39, Letters(), length=10)


def test_the_packaged_text_is_prose() -> None:
    if importlib.util.find_spec("gensim") is None:
        pytest.skip("the text comes with gensim: pip install --no-deps gensim")
    text = packaged_text()
    assert len(text) > 300_000
    assert " the " in text


def test_a_missing_text_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps gensim"):
        packaged_text()
