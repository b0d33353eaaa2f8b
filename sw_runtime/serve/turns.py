"""Threads that share one machine take turns, first come, first served."""

from threading import Condition


class Turns:
    """A lock that is handed over in the order of asking: a plain one is often taken again by whoever gave it back."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._given = 0
        self._served = 0

    def take(self) -> None:
        """Wait for a turn."""
        with self._changed:
            mine, self._given = self._given, self._given + 1
            self._changed.wait_for(lambda: self._served == mine)

    def waiting(self) -> int:
        """How many wait for a turn."""
        with self._changed:
            return max(0, self._given - self._served - 1)

    def give(self) -> None:
        """End a turn; the next one begins."""
        with self._changed:
            self._served += 1
            self._changed.notify_all()
