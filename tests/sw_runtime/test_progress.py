import sys

import pytest
from tqdm import tqdm
from transformers.utils import logging as transformers_bars

from sw_runtime.progress import progress_bar, progress_bars


def shows_a_bar(capsys: pytest.CaptureFixture[str]) -> bool:
    assert list(progress_bar(range(3), desc="layers")) == [0, 1, 2]
    return "layers" in capsys.readouterr().err


def test_bars_are_shown_unless_they_are_turned_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert shows_a_bar(capsys)
    with progress_bars(shown=False):
        assert not shows_a_bar(capsys)
    assert shows_a_bar(capsys)


def test_lines_take_the_place_of_a_bar_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(range(3), desc="layers", unit="layer") as bar:
        for number in bar:
            tqdm.write(f"layer {number}", file=sys.stderr)
    first, *others, last = capsys.readouterr().err.splitlines()
    assert (first[:20], last[:20]) == ("layers:   0% 0/3 [00", "layers: 100% 3/3 [00")
    assert others == ["layer 0", "layer 1", "layer 2"]


def test_a_terminal_gets_a_bar_that_is_drawn_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    list(progress_bar(range(3), desc="layers"))
    assert "\rlayers: 100%|" in capsys.readouterr().err


def test_a_bar_within_cannot_be_turned_on_again(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars(shown=False), progress_bars(shown=True):
        assert not shows_a_bar(capsys)


def test_the_bars_of_transformers_are_turned_off_too_and_on_again() -> None:
    assert transformers_bars.is_progress_bar_enabled()
    with progress_bars(shown=False):
        assert not transformers_bars.is_progress_bar_enabled()
        with progress_bars(shown=False):
            pass
        assert not transformers_bars.is_progress_bar_enabled()
    assert transformers_bars.is_progress_bar_enabled()
