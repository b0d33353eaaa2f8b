"""What a whole decoder runs on: fast integers, a board every cycle of which is simulated, or one on a serial port."""

import sys
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from formats.decoder.program import MatrixPlace, Program
from formats.matrices import Matrix
from formats.plurals import number_of
from hw.board.boards import BoardMemory
from seedloom.options import BATCH
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

        As many are read together as the board takes. Only the last one is asked for an answer: the others need no head.
        """
        count, batch = len(embeddings), self._decoder.batch
        with progress_bar(
            total=count, desc="reading the prompt", unit="token", leave=False, disable=count < 2
        ) as progress:
            for start in range(0, count, batch):
                together = embeddings[start : start + batch]
                answer = self._take(together, self._next.best if start + batch >= count else 0)
                progress.update(len(together))
        return self._next.of(answer.best)

    def _take(self, embeddings: NDArray[Any], best: int) -> TokenAnswer:
        """Tokens together, which are kept if they are new."""
        start = self._decoder.tokens
        answer = self._decoder.take(embeddings, best)
        if self._kept and start == self._kept.tokens:
            self._kept.add(answer, [self._decoder.cached(at) for at in range(start, self._decoder.tokens)])
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
    prompt: int,
    tokens: int,
    text: dict[str, Any] | None = None,
    batch: int = BATCH,
) -> BoardDevice:
    """The whole decoder on a simulated board; a line says how long reading ``tokens`` takes.

    Parameters
    ----------
    program, matrices, board
        What is simulated.
    next_token
        Chooses among the tokens that the board answers with.
    prompt, tokens
        That are read: the prompt's; these and the new ones but the last.
    text
        What names it, as of ``KeptText``: it is kept until it is whole, and goes on where it was. None keeps nothing.
    batch
        Tokens of the prompt that are read together.

    Raises
    ------
    InputError
        If the board cannot be simulated, or its units do not do the program.
    DependencyError
        If the simulator cannot be built.
    """
    image = Image.of(program, matrices, board, batch=batch)
    kept = KeptText(image, text) if text else None
    known = kept.tokens if kept else 0
    if kept and known:
        _say(
            f"goes on behind {number_of(known, 'token')} of this text that were kept; to begin anew, delete {kept.path}"
        )
    decoder = SimulatedDecoder(image)
    left, left_of_prompt = max(0, tokens - known), max(0, prompt - known)
    cycles = decoder.clock_hz / _rate(program, board, tokens, left, left_of_prompt, batch)
    _say(time_line(left, cycles, decoder.cycles_per_second))
    return BoardDevice(decoder, program, board, next_token, kept)


def _rate(program: Program, board: BoardMemory, seen: int, tokens: int, of_prompt: int, batch: int) -> float:
    """Tokens per second of some tokens, of which the prompt's are read together."""
    alone = token_cost(program, board, seen).tokens_per_second
    if not of_prompt:
        return alone
    together = token_cost(program, board, seen, answers=0, tokens=min(batch, of_prompt)).tokens_per_second
    return tokens / (of_prompt / together + (tokens - of_prompt) / alone)


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
    place: str,
    program: Program,
    matrices: dict[MatrixPlace, Matrix],
    board: BoardMemory,
    next_token: NextToken,
    batch: int = BATCH,
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
    batch
        Tokens of the prompt that are read together; a simulated board is built for them.

    Raises
    ------
    InputError
        If the rate is none, or a simulated board's units do not do the program.
    DependencyError
        If pyserial is not installed, or the simulator cannot be built.
    DeviceError
        If there is no such port, nothing answers there, or the board is not what the program needs.
    """
    image = Image.of(program, matrices, board, batch=batch)
    channel = serial_channel(place, image.contents.engine, units_for(program))
    size = image.contents.embeddings
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


def embeddings_of(model: Any, tokens: list[int]) -> NDArray[np.float32]:
    """What the host sends for tokens: [T, dim]."""
    with torch.no_grad():
        found: NDArray[np.float32] = model.get_input_embeddings()(torch.tensor(tokens)).float().numpy()
    return found


def following_tokens(device: DecoderDevice, model: Any, prompt: list[int]) -> Iterator[int]:
    """Endless tokens behind a prompt; the host looks up their embeddings in ``model``."""
    tokens = prompt
    while True:
        token = device.choose(embeddings_of(model, tokens))
        yield token
        tokens = [token]


def _say(line: str) -> None:
    print(line, file=sys.stderr)
