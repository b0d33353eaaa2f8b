"""A program executed on a board, token by token or several tokens at once."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats.board_requests import WORD_BYTES, Opcode, answer_of, request_words
from formats.errors import DeviceError, InputError
from formats.plurals import number_of
from sw_runtime.decoder.image.contents import Contents
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.image.memory_map import WHOLE
from sw_runtime.decoder.sampling import BestTokens
from sw_runtime.decoder.text import Text, check_row
from sw_runtime.decoder.units import units_for
from sw_runtime.decoder.vectors import Vector
from sw_runtime.device.board.channel import Channel
from sw_runtime.device.board.identity import Identity, check_decoder, identify
from sw_runtime.device.board.memory import reads, upload, writes

MEMORY = 0
"""Where an image lies."""


@dataclass(frozen=True)
class TokenAnswer:
    """What a board answers.

    Parameters
    ----------
    taken
        Tokens that it took together.
    best
        The likeliest tokens behind the last, and their logits' keys.
    cycles, port_busy_cycles
        Of these tokens; of these, those in which a word that was read was taken.
    """

    taken: int
    best: BestTokens
    cycles: int
    port_busy_cycles: int


class BoardDecoder(Text):
    """One text; its keys and values are kept in the board's memory.

    The board must have the formats of the image's engine, in its order, and units no smaller than ``units_for`` says.

    Parameters
    ----------
    channel
        To the board; closed with the decoder.
    image
        Written into its memory, as far as it is not there already.

    Attributes
    ----------
    answers
        To all tokens that were taken, in their order; without those to tokens of which a rewind left only some.
    batch
        Tokens that it takes together, at most.
    clock_hz
        Of the board.
    sent_bytes
        Of the image; the rest was in the board's memory already.

    Raises
    ------
    DeviceError
        If the board has other formats than the image, no decoder or too small a one, too small an engine or memory,
        or its memory does not hold what was written.
    """

    def __init__(self, channel: Channel, image: Image) -> None:
        super().__init__()
        self._channel, self._contents, self._reader = channel, image.contents, image.reader()
        self.batch = image.contents.batch
        self.answers: list[TokenAnswer] = []
        self._ends: list[int] = []  # tokens up to each of them
        self._known: dict[int, TokenAnswer] = {}
        identity = identify(channel)
        self.clock_hz = identity.clock_hz
        _check_engine(identity, image.contents)
        check_decoder(identity.decoder, units_for(*image.read_programs()))
        self.sent_bytes = upload(channel, MEMORY, image.memory[: image.contents.embeddings])

    def take(
        self, embeddings: NDArray[Any], best: int = 1, program: str = WHOLE, row: int | None = None
    ) -> TokenAnswer:
        """Read further tokens of the text together, real [T, dim], by one of the image's programs.

        The answer has ``best`` of the likeliest tokens behind the last, 0 to 64; for 0 the head is not run. ``row`` is
        the first token's in the caches of a set, where the program has any; None is its position.

        Raises
        ------
        InputError
            If there are more tokens than the image takes together, or none, the text grows longer than the image's
            context, or there is no such program or row.
        DeviceError
            If the board refuses, or stops answering.
        """
        count, position = len(embeddings), self._tokens
        if not 1 <= count <= self.batch:
            raise InputError(
                f"{number_of(count, 'token')} at once, and the image is for 1 to {self.batch}: make it with --batch, "
                "or give fewer"
            )
        if position + count > self._contents.context:
            raise InputError(
                f"the image has a context of {number_of(self._contents.context, 'token')}, and the text "
                f"{position + count}; give a shorter text"
            )
        check_row(row, position)
        known = self._known.get(position)
        if known is None or known.taken != count:
            known = self._ask(embeddings, best, program, position if row is None else row)
        self._tokens += count
        self.answers.append(known)
        self._ends.append(self._tokens)
        return known

    def _ask(self, embeddings: NDArray[Any], best: int, program: str, row: int) -> TokenAnswer:
        """Have the board take the next tokens."""
        address, count = self._contents.embeddings, len(embeddings)
        stream = Vector.from_real(embeddings)
        octets = np.concatenate([stream.exponent, stream.mantissas], axis=1).astype("<i4").view("u1").ravel()
        first = self._contents.area(program).address
        token = request_words(Opcode.TOKEN, first, count, self._tokens, row, address, best)
        requests = [*writes(self._channel, address, octets), token]
        *written, answered = self._channel.exchange(requests)
        for response in written:
            answer_of(Opcode.WRITE, response)
        fields, words = answer_of(Opcode.TOKEN, answered)
        tokens, keys = np.array(words, dtype=np.uint32).astype(np.int32).astype(np.int64).reshape(-1, 2).T
        return TokenAnswer(count, BestTokens(tokens, keys), **fields)

    def cached(self, position: int) -> NDArray[np.uint8]:
        """What the cache holds of a position: bytes of ``MemoryReader.cache_parts``.

        Raises
        ------
        DeviceError
            If the board refuses, or stops answering.
        """
        requests = [
            request
            for part in self._reader.cache_parts(position)
            for request in reads(self._channel, part.start, len(part) // WORD_BYTES)
        ]
        parts = [answer_of(Opcode.READ, response)[1] for response in self._channel.exchange(requests)]
        return np.concatenate(parts).astype("<u4").view(np.uint8)

    def go_on(self, answers: Sequence[TokenAnswer], rows: Sequence[NDArray[np.uint8]]) -> None:
        """Put what a text's first tokens left into the cache; ``take`` then gives their answers without the board.

        Parameters
        ----------
        answers
            To all tokens so far.
        rows
            Of each of them: what ``cached`` said of its position.

        Raises
        ------
        DeviceError
            If the board refuses, or stops answering.
        """
        for position, row in enumerate(rows):
            parts = list(self._reader.cache_parts(position))
            pieces = np.split(row, np.cumsum([len(part) for part in parts])[:-1])
            requests = [
                request
                for part, piece in zip(parts, pieces, strict=True)
                for request in writes(self._channel, part.start, piece)
            ]
            for response in self._channel.exchange(requests):
                answer_of(Opcode.WRITE, response)
        ends = accumulate(answer.taken for answer in answers)
        self._known = {end - answer.taken: answer for end, answer in zip(ends, answers, strict=True)}

    def rewind(self, tokens: int) -> None:
        """Forget all but the first tokens.

        Raises
        ------
        InputError
            If the text has fewer.
        """
        super().rewind(tokens)
        self._known = {start: answer for start, answer in self._known.items() if start + answer.taken <= tokens}
        kept = bisect_right(self._ends, tokens)
        del self.answers[kept:], self._ends[kept:]

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


def _check_engine(identity: Identity, contents: Contents) -> None:
    """Refuse a board whose engine or memory is not what an image was made for."""
    engine, end = identity.engine, contents.areas[-1].address + contents.areas[-1].nbytes
    if engine.formats != contents.formats:
        raise DeviceError(
            f"the board has lanes for {', '.join(engine.formats)}, the image is for {', '.join(contents.formats)}: "
            "program the board with these, in this order"
        )
    for name in ("maximum_columns", "maximum_rows", "batch"):
        has, needed = getattr(engine, name), getattr(contents, name)
        if has < needed:
            smaller = ", or make the image with a smaller --batch" if name == "batch" else ""
            raise DeviceError(
                f"the board's engine is built for {name} = {has}, the image needs {needed}: program a board for it"
                f"{smaller}"
            )
    if identity.memory_bytes < end:
        raise DeviceError(
            f"the board has {identity.memory_bytes:,} bytes of memory, the image and its cache take {end:,}: "
            "make the image for this board, with --board"
        )
