"""Progress bars, which whoever calls may turn off."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tqdm import tqdm

_shown: ContextVar[bool] = ContextVar("shown", default=True)


def progress_bar(*args: Any, **options: Any) -> "tqdm[Any]":
    """A bar of tqdm's, with its arguments; it shows nothing within ``progress_bars(shown=False)``."""
    return tqdm(*args, **options if _shown.get() else options | {"disable": True})


@contextmanager
def progress_bars(shown: bool) -> Iterator[None]:
    """Show the bars within, or none of them; a caller's choice to show none stands."""
    token = _shown.set(shown and _shown.get())
    try:
        yield
    finally:
        _shown.reset(token)


@contextmanager
def no_loading_bar() -> Iterator[None]:
    """Keep transformers from showing its bar of loaded weights within."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
