"""A program executed token by token on a board."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats.board_requests import WORD_BYTES, Opcode, answer_of, request_words
from formats.errors import DeviceError, InputError
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
    best
        The likeliest next tokens, and their logits' keys.
    cycles, port_busy_cycles
        Of the token; of these, those in which a word that was read was taken.
    """

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
        To each token that was taken.
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
        self.answers: list[TokenAnswer] = []
        self._known: list[TokenAnswer] = []
        identity = identify(channel)
        self.clock_hz = identity.clock_hz
        _check_engine(identity, image.contents)
        check_decoder(identity.decoder, units_for(*image.read_programs()))
        self.sent_bytes = upload(channel, MEMORY, image.memory[: image.contents.embedding])

    def take(self, embedding: NDArray[Any], best: int = 1, program: str = WHOLE, row: int | None = None) -> TokenAnswer:
        """Read a further token of the text, real [dim], by one of the image's programs.

        The answer has ``best`` of the likeliest next tokens, 0 to 64; for 0 the head is not run. ``row`` is the
        token's in the caches of a set, where the program has any; None is its position.

        Raises
        ------
        InputError
            If the text grows longer than the image's context, or there is no such program or row.
        DeviceError
            If the board refuses, or stops answering.
        """
        if self._tokens == self._contents.context:
            raise InputError(f"the image has a context of {self._tokens} tokens; give a shorter text")
        check_row(row, self._tokens)
        if self._tokens < len(self._known):
            self.answers.append(self._known[self._tokens])
            self._tokens += 1
            return self.answers[-1]
        address = self._contents.embedding
        stream = Vector.from_real(embedding[None])
        octets = stream.mantissas[0].astype("<i4").view("u1")
        exponent = int(stream.exponent[0, 0]) & 0xFFFF_FFFF
        first = self._contents.area(program).address
        position = self._tokens
        token = request_words(Opcode.TOKEN, first, position, position if row is None else row, address, exponent, best)
        requests = [*writes(self._channel, address, octets), token]
        *written, answered = self._channel.exchange(requests)
        for response in written:
            answer_of(Opcode.WRITE, response)
        fields, words = answer_of(Opcode.TOKEN, answered)
        self._tokens += 1
        tokens, keys = np.array(words, dtype=np.uint32).astype(np.int32).astype(np.int64).reshape(-1, 2).T
        self.answers.append(TokenAnswer(BestTokens(tokens, keys), **fields))
        return self.answers[-1]

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
        answers, rows
            Of every token so far: its answer, and what ``cached`` said of its position.

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
        self._known = list(answers)

    def rewind(self, tokens: int) -> None:
        """Forget all but the first tokens.

        Raises
        ------
        InputError
            If the text has fewer.
        """
        super().rewind(tokens)
        del self._known[tokens:], self.answers[tokens:]

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
    for name in ("maximum_columns", "maximum_rows"):
        has, needed = getattr(engine, name), getattr(contents, name)
        if has < needed:
            raise DeviceError(
                f"the board's engine is built for {name} = {has}, the image needs {needed}: program a board for it"
            )
    if identity.memory_bytes < end:
        raise DeviceError(
            f"the board has {identity.memory_bytes:,} bytes of memory, the image and its cache take {end:,}: "
            "make the image for this board, with --board"
        )
