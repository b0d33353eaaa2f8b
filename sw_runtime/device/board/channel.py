"""What lies between a host and a board: a simulator, or a link."""

from collections.abc import Sequence
from typing import Protocol


class Channel(Protocol):
    """Carries whole requests to one board and brings back its responses (``formats.board_requests``)."""

    def exchange(self, requests: Sequence[Sequence[int]], cycles: int) -> list[list[int]]:
        """Send requests and return their responses in the same order, all as 32-bit words.

        ``cycles``: the most that the board may take for all of them.

        Raises
        ------
        DeviceError
            If the board does not answer.
        """

    def close(self) -> None:
        """Give back what the channel holds."""
