"""Progress bars, which whoever calls may turn off; short lines where stderr is no terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tqdm import tqdm

_shown: ContextVar[bool] = ContextVar("shown", default=True)


SECONDS = 10
"""Between two lines."""


class Lines(tqdm):  # type: ignore[type-arg]  # a class of which only the stubs are generic
    """A bar for pipes and files: a line at the beginning, one at times, and one at the end; nothing is drawn again."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options | {"mininterval": SECONDS, "leave": False, "ncols": 0})

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Write the line; an empty message, which would wipe a bar, writes none."""
        if msg is None:
            self.fp.write(f"{self}\n")

    def clear(self, nolock: bool = False) -> None:
        """There is nothing to wipe before another's line."""

    def refresh(self, nolock: bool = False, lock_args: Any = None) -> None:
        """Write a line, but not after another's, where a bar is drawn again (``nolock``)."""
        if not nolock:
            super().refresh(lock_args=lock_args)

    def close(self) -> None:
        """Write the last line."""
        if not self.disable:
            self.display()
        super().close()


def progress_bar(*args: Any, **options: Any) -> "tqdm[Any]":
    """A bar of tqdm's, with its arguments; it shows nothing within ``progress_bars(shown=False)``."""
    kind: type[tqdm[Any]] = tqdm if sys.stderr.isatty() else Lines
    return kind(*args, **options if _shown.get() else options | {"disable": True})


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
