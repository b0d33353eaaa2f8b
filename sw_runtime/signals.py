"""What answers signals for a while."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType


@contextmanager
def signals_answered(
    answer: Callable[[signal.Signals], object], numbers: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM)
) -> Iterator[None]:
    """Call ``answer`` with a signal when it comes; afterwards signals are handled as before.

    Only the main thread may begin this, and ``answer`` runs there, other threads or not.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        answer(signal.Signals(number))

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
