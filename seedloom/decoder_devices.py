"""What a whole decoder runs on: fast integers, a board every cycle of which is simulated, or one on a serial port."""

import sys
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from numpy.typing import NDArray

from formats.decoder.program import MatrixPlace, Program
from formats.matrices import Matrix
from formats.plurals import number_of
from hw.board.boards import BoardMemory
from sw_runtime.decoder.cost import token_cost
from sw_runtime.decoder.counted import CountedCost
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.kept import KeptText
from sw_runtime.decoder.on_board import BoardDecoder, TokenAnswer
from sw_runtime.decoder.sampling import BestTokens, NextToken
from sw_runtime.decoder.simulated import SimulatedDecoder
from sw_runtime.decoder.units import units_for
from sw_runtime.device.serial_board import serial_channel
from sw_runtime.progress import progress_bar

DEVICES = {"emulated": "ecpix5", "simulated": "ulx3s-64mb", "serial": "ulx3s-64mb"}
"""Kind of device → its board where nobody names one."""

MINUTES_FROM = 90
"""Seconds that are told as minutes."""


class DecoderDevice(Protocol):
    """One text on a whole decoder."""

    def choose(self, embeddings: NDArray[Any]) -> int:
        """Read further tokens of the text, real [T, dim]; returns the next one."""

    @property
    def counted(self) -> CountedCost | None:
        """What its board counted; None where there is none."""

    def finish(self) -> None:
        """The text is whole."""

    def close(self) -> None:
        """Free it."""


class EmulatedDevice:
    """The whole decoder on fast integers."""

    counted = None

    def __init__(self, program: Program, matrices: dict[MatrixPlace, Matrix], next_token: NextToken) -> None:
        self._decoder, self._next = EmulatedDecoder(program, matrices), next_token

    def choose(self, embeddings: NDArray[Any]) -> int:
        """Read further tokens of the text, real [T, dim]; returns the next one."""
        return self._next.of(BestTokens.of(self._decoder.take(embeddings)[0], self._next.best))

    def finish(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is held."""


class BoardDevice:
    """The whole decoder on a board, the model in its memory.

    Parameters
    ----------
    decoder
        Closed with the device.
    program, board
        What it runs, and where, for what is counted.
    next_token
        Chooses among the tokens that the board answers with.
    kept
        Where the text is kept; its tokens are not taken again. None keeps nothing.
    """

    def __init__(
        self,
        decoder: BoardDecoder,
        program: Program,
        board: BoardMemory,
        next_token: NextToken,
        kept: KeptText | None = None,
    ) -> None:
        self._decoder, self._program, self._board = decoder, program, board
        self._next, self._kept = next_token, kept
        if kept:
            decoder.go_on(kept.answers, kept.rows)

    def choose(self, embeddings: NDArray[Any]) -> int:
        """Read further tokens of the text, real [T, dim], with a bar if they are several; returns the next one.

        Only the last one is asked for an answer: the others need no head.
        """
        for embedding in progress_bar(
            embeddings[:-1], "reading the prompt", unit="token", leave=False, disable=len(embeddings) < 2
        ):
            self._take(embedding, 0)
        return self._next.of(self._take(embeddings[-1], self._next.best).best)

    def _take(self, embedding: NDArray[Any], best: int) -> TokenAnswer:
        """A token, which is kept if it is new."""
        answer, position = self._decoder.take(embedding, best), self._decoder.tokens - 1
        if self._kept and position == len(self._kept.answers):
            self._kept.add(answer, self._decoder.cached(position))
        return answer

    @property
    def counted(self) -> CountedCost:
        """What the board counted so far."""
        return CountedCost.of(self._decoder, self._program, self._board)

    def finish(self) -> None:
        """The text is whole: it is kept no longer."""
        if self._kept:
            self._kept.delete()

    def close(self) -> None:
        """Free the board."""
        self._decoder.close()


def simulated_device(
    program: Program,
    matrices: dict[MatrixPlace, Matrix],
    board: BoardMemory,
    next_token: NextToken,
    tokens: int,
    text: dict[str, Any] | None = None,
) -> BoardDevice:
    """The whole decoder on a simulated board; a line says how long reading ``tokens`` takes.

    Parameters
    ----------
    program, matrices, board
        What is simulated.
    next_token
        Chooses among the tokens that the board answers with.
    tokens
        That are read: the prompt's and the new ones but the last.
    text
        What names it, as of ``KeptText``: it is kept until it is whole, and goes on where it was. None keeps nothing.

    Raises
    ------
    InputError
        If the board cannot be simulated, or its units do not do the program.
    DependencyError
        If the simulator cannot be built.
    """
    image = Image.of(program, matrices, board)
    kept = KeptText(image, text) if text else None
    known = len(kept.answers) if kept else 0
    if kept and known:
        _say(
            f"goes on behind {number_of(known, 'token')} of this text that were kept; to begin anew, delete {kept.path}"
        )
    decoder = SimulatedDecoder(image)
    cycles = decoder.clock_hz / token_cost(program, board, tokens).tokens_per_second
    _say(time_line(max(0, tokens - known), cycles, decoder.cycles_per_second))
    return BoardDevice(decoder, program, board, next_token, kept)


def time_line(tokens: int, cycles: float, cycles_per_second: float) -> str:
    """How long tokens take on a simulated board, of so many cycles each, in one line."""
    seconds = tokens * cycles / cycles_per_second
    duration = f"{seconds:,.0f} s" if seconds < MINUTES_FROM else f"{seconds / 60:,.1f} min"
    return (
        f"about {duration} for reading {number_of(tokens, 'token')}, the prompt's included: "
        f"{_rounded(cycles)} cycles per token, {_rounded(cycles_per_second)} simulated per second"
    )


def _rounded(number: float) -> str:
    """A number with its three leading digits."""
    return f"{float(f'{number:.3g}'):,.0f}"


def serial_device(
    place: str, program: Program, matrices: dict[MatrixPlace, Matrix], board: BoardMemory, next_token: NextToken
) -> BoardDevice:
    """The whole decoder on a board behind a serial port; lines say how long writing takes, and what was sent.

    Parameters
    ----------
    place
        As of ``sw_runtime.device.serial_board.serial_channel``; a simulated board is built for the program.
    program, matrices
        What the board runs.
    board
        Whose memory the model is laid out for.
    next_token
        Chooses among the tokens that the board answers with.

    Raises
    ------
    InputError
        If the rate is none, or a simulated board's units do not do the program.
    DependencyError
        If pyserial is not installed, or the simulator cannot be built.
    DeviceError
        If there is no such port, nothing answers there, or the board is not what the program needs.
    """
    image = Image.of(program, matrices, board)
    channel = serial_channel(place, image.contents.engine, units_for(program))
    size = image.contents.embedding
    if channel.real_time:
        _say(
            f"the model is {size:,} bytes, about {size * channel.line.seconds_an_octet:,.0f} s on the line; "
            "what the board holds already is not sent"
        )
    try:
        decoder = BoardDecoder(channel, image)
    except BaseException:
        channel.close()
        raise
    _say(f"sent {decoder.sent_bytes:,} of {size:,} bytes; the board held the rest")
    return BoardDevice(decoder, program, board, next_token)


def following_tokens(device: DecoderDevice, model: Any, prompt: list[int]) -> Iterator[int]:
    """Endless tokens behind a prompt; the host looks up their embeddings in ``model``."""
    tokens = prompt
    while True:
        with torch.no_grad():
            embeddings = model.get_input_embeddings()(torch.tensor(tokens)).float().numpy()
        token = device.choose(embeddings)
        yield token
        tokens = [token]


def _say(line: str) -> None:
    print(line, file=sys.stderr)
