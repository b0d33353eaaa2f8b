import asyncio
from collections.abc import AsyncIterator, Callable
from threading import Event
from typing import Any

import pytest

from formats.errors import DeviceError
from sw_runtime.serve.running import BusyError, Running
from sw_runtime.serve.writer import AbandonedError, Piece, Wanted

WANTED = Wanted([1], 2)


class Slow:
    """A writer that waits to be told before its second piece."""

    def __init__(self, error: Exception | None = None) -> None:
        self.proceed, self.abandoned = Event(), Event()
        self._error = error

    def write(self, wanted: Wanted, tell: Callable[[Piece], None], gone: Event) -> None:
        tell(Piece("a", 1, 0.0, None))
        self.proceed.wait(60)
        if gone.is_set():
            self.abandoned.set()
            raise AbandonedError
        if self._error:
            raise self._error
        tell(Piece("b", 2, 0.0, None, "length"))


def running(writer: Any, together: int = 2) -> Running:
    return Running(writer, together)


async def rest(pieces: AsyncIterator[Piece]) -> str:
    return "".join([piece.text async for piece in pieces])


def test_pieces_arrive_as_they_are_written() -> None:
    writer = Slow()

    async def read() -> list[str]:
        pieces = running(writer).pieces(WANTED)
        first = await anext(pieces)
        writer.proceed.set()
        return [first.text, await rest(pieces)]

    assert asyncio.run(read()) == ["a", "b"]


def test_more_answers_than_the_limit_are_refused_until_one_is_done() -> None:
    writer = Slow()

    async def read() -> str:
        answers = running(writer)
        held = [answers.pieces(WANTED) for _ in range(3)]
        await anext(held[0])
        await anext(held[1])
        with pytest.raises(BusyError):
            await anext(held[2])
        writer.proceed.set()
        await rest(held[0])
        await rest(held[1])
        answers.wait()
        return await rest(answers.pieces(WANTED))

    assert asyncio.run(read()) == "ab"


def test_an_answer_that_nobody_reads_on_ends_and_counts_until_then() -> None:
    writer = Slow()

    async def read() -> None:
        answers = running(writer, together=1)
        pieces = answers.pieces(WANTED)
        await anext(pieces)
        await pieces.aclose()
        with pytest.raises(BusyError):
            await anext(answers.pieces(WANTED))
        writer.proceed.set()
        answers.wait()
        await anext(answers.pieces(WANTED))

    asyncio.run(read())
    assert writer.abandoned.is_set()


@pytest.mark.parametrize("late", [False, True])
def test_a_stop_ends_answers_that_run_and_those_that_begin(late: bool) -> None:
    writer = Slow()

    async def read() -> None:
        answers = running(writer)
        pieces = answers.pieces(WANTED)
        if late:
            answers.stop()
        else:
            await anext(pieces)
            answers.stop()
        with pytest.raises(DeviceError, match="the server is stopping"):  # the writer still waits
            await anext(pieces)
        writer.proceed.set()
        answers.wait()

    asyncio.run(read())
    assert writer.abandoned.is_set()


def test_what_goes_wrong_while_writing_is_raised_where_it_is_read() -> None:
    writer = Slow(DeviceError("the simulator ended"))
    writer.proceed.set()
    with pytest.raises(DeviceError, match="the simulator ended"):
        asyncio.run(rest(running(writer).pieces(WANTED)))
