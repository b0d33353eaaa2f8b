"""Progress bars, which whoever calls may turn off."""

import sys
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
    """Show the bars within, or none of them, transformers' own included; a caller's choice to show none stands."""
    token = _shown.set(shown and _shown.get())
    transformers = sys.modules.get("transformers.utils.logging")
    silenced = transformers if transformers and not shown and transformers.is_progress_bar_enabled() else None
    if silenced:
        silenced.disable_progress_bar()
    try:
        yield
    finally:
        _shown.reset(token)
        if silenced:
            silenced.enable_progress_bar()
