"""What lies between a host and a board: a simulator, or a link."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol


class Channel(Protocol):
    """Carries whole requests to one board and brings back its responses (``formats.board_requests``).

    ``data_words``: most words of data that a request or a response should have here. ``real_time``: the board's
    clock and the host's may be compared.
    """

    data_words: int
    real_time: bool

    def exchange(self, requests: Iterable[Sequence[int]]) -> Iterator[Sequence[int]]:
        """Responses to requests, in order, all as 32-bit words; nothing is sent before the first is asked for.

        Further requests are drawn while earlier ones are on their way, so there may be any number of them.

        Raises
        ------
        DeviceError
            If the board does not answer.
        """

    def close(self) -> None:
        """Give back what the channel holds."""
