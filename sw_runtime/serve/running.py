"""Answers that are being written: a thread each, read from the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from threading import Event, Thread

from formats.errors import DeviceError
from sw_runtime.serve.writer import Piece, Wanted, Writer

PATIENCE_SECONDS = 5
"""How long an end waits for steps that are being computed."""


STOPPING = "the server is stopping"
"""What an answer ends with that a signal cuts off."""


class BusyError(Exception):
    """As many answers are being written as may be."""


class Running:
    """All answers of a server; to be used in one event loop.

    Parameters
    ----------
    writer
        Who writes them.
    together
        Answers at a time; those count too that nobody waits for and whose step is not done.
    """

    def __init__(self, writer: Writer, together: int) -> None:
        self._writer, self._together = writer, together
        self._answers: dict[Thread, Callable[[], None]] = {}
        self._over = False

    async def pieces(self, wanted: Wanted) -> AsyncIterator[Piece]:
        """The pieces of an answer; closing the iterator ends the answer before its next token.

        Raises
        ------
        BusyError
            If there are too many others.
        DeviceError
            If the device stops, or the server.
        """
        self._answers = {thread: end for thread, end in self._answers.items() if thread.is_alive()}
        if len(self._answers) >= self._together:
            raise BusyError
        loop, told, gone = asyncio.get_running_loop(), asyncio.Queue[Piece | BaseException](), Event()

        def tell(item: Piece | BaseException) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(told.put_nowait, item)

        def write() -> None:
            try:
                self._writer.write(wanted, tell, gone)
            except BaseException as error:  # told in the event loop
                tell(error)

        def end() -> None:
            gone.set()
            tell(DeviceError(STOPPING))  # now: on a simulated device the next token may be minutes away

        thread = Thread(target=write, daemon=True)
        self._answers[thread] = end
        if self._over:
            end()
        thread.start()
        try:
            while True:
                item = await told.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
                if item.finish:
                    return
        finally:
            gone.set()

    def stop(self) -> None:
        """End every answer now, also those that are yet to begin; their threads end before their next token."""
        self._over = True
        for end in self._answers.values():
            end()

    def wait(self) -> None:
        """Wait a while for the steps that are being computed."""
        for thread in self._answers:
            thread.join(PATIENCE_SECONDS)
