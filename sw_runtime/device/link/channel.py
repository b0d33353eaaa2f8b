"""A channel: requests to a device and its responses, over a line that may fail."""

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from formats.errors import DeviceError
from sw_runtime.device.link.lines import Line
from sw_runtime.device.link.session import SILENCE_SECONDS, Session, Welcome

DATA_WORDS = 254
"""Of a request or a response: so many that little of the line is lost to headers, so few that few are damaged."""

LEAST_WAIT_SECONDS, WAIT_SECONDS = 0.0001, 0.005
"""Shortest and longest wait for a byte, after which late answers are looked for."""


class LinkChannel:
    """Sends requests and gives their responses, in order, several on their way at once.

    After a DeviceError the device keeps what it has done. Once the line is there again, ``reconnect`` goes on in
    the same session: no request is executed twice, and responses that had not been taken are dropped.

    Parameters
    ----------
    open_line
        Opens the line, and opens it again.
    silence_seconds
        Without a packet, after which the device is given up; a simulated one on a busy machine needs more.
    clock
        Seconds.
    real_time
        The device's clock and this may be compared; not with one that is simulated.

    Raises
    ------
    DeviceError
        If there is no line, it returns what is sent, no device answers, or it speaks another version.
    """

    def __init__(
        self,
        open_line: Callable[[], Line],
        silence_seconds: float = SILENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        real_time: bool = True,
    ) -> None:
        self._open_line, self._clock, self.real_time = open_line, clock, real_time
        self._line = open_line()
        self._session = Session(secrets.randbits(16), self._line.seconds_an_octet, silence_seconds)
        self.written_octets = 0
        try:
            self._settle()
        except BaseException:
            self._line.close()
            raise
        self.data_words = min(DATA_WORDS, self.welcome.words - 2)

    @property
    def welcome(self) -> Welcome:
        """What the device said of its end."""
        assert self._session.welcome  # a channel without one was never made
        return self._session.welcome

    @property
    def line(self) -> Line:
        """Where its bytes go; another one after ``reconnect``."""
        return self._line

    @property
    def repeats(self) -> int:
        """Packets that were sent more than once."""
        return self._session.repeats

    def exchange(self, requests: Iterable[Sequence[int]]) -> Iterator[tuple[int, ...]]:
        """Responses to requests, in order; further requests are drawn while responses are on their way.

        Raises
        ------
        InputError
            If a request has no word, or more than the device takes.
        DeviceError
            If the line is gone, the device is silent or has lost the session.
        """
        self._settle()  # of an exchange that was not drawn to its end
        coming, responses = iter(requests), deque[tuple[int, ...]]()
        ended = False
        while not ended or self._session.waits or responses:
            while not ended and self._session.room:
                words = next(coming, None)
                ended = words is None
                if words is not None:
                    self._session.submit(words)
            if self._session.waits:
                self._move()
                responses.extend(self._session.take())
            while responses:
                yield responses.popleft()

    def ask(self, words: Sequence[int]) -> tuple[int, ...]:
        """The response to one request.

        Raises
        ------
        DeviceError
            As ``exchange``.
        """
        (response,) = self.exchange([words])
        return response

    def reconnect(self) -> None:
        """Open the line again and finish what was on its way; its responses are dropped.

        Raises
        ------
        DeviceError
            If the line is not there, or the device has lost the session.
        """
        self._line.close()
        self._line = self._open_line()
        self._session.resume()
        self._settle()

    def close(self) -> None:
        """Give the line back."""
        self._line.close()

    def __enter__(self) -> "LinkChannel":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _settle(self) -> None:
        """Wait until nothing is on its way, and drop what came."""
        while self._session.busy:
            self._move()
        self._session.take()

    def _move(self) -> None:
        with self._naming_line():
            octets = self._session.to_send(self._clock())
        if octets:
            self.written_octets += len(octets)
            self._line.write(octets)
        wait = min(max(self._session.patience_left(self._clock()), LEAST_WAIT_SECONDS), WAIT_SECONDS)
        if received := self._line.read(wait):
            with self._naming_line():
                self._session.receive(received, self._clock())

    @contextmanager
    def _naming_line(self) -> Iterator[None]:
        """A session knows no line; its errors say here on which they came up."""
        try:
            yield
        except DeviceError as error:
            raise DeviceError(f"{self._line.name}: {error}") from None
