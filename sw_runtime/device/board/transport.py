"""The transport to a board: weights stay in its memory, activations and results pass the channel."""

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from formats.board_requests import MAXIMUM_WORDS, WORD_BYTES, Opcode, answer_of, request_words
from formats.engine import EngineParameters
from formats.errors import DeviceError
from hw.engine.sequencer import command_layout
from sw_runtime.device.board.allocator import Allocator
from sw_runtime.device.board.channel import Channel
from sw_runtime.device.board.workspace import Workspace
from sw_runtime.device.layout import Beats, dense_bytes
from sw_runtime.device.transport import Packet, Pass, StoredWeights

RESULT_WORDS = 2
"""Words of a result."""

WRITTEN_WORDS, READ_WORDS = MAXIMUM_WORDS - 2, MAXIMUM_WORDS - 1
"""Most words that one request writes, and reads."""

CYCLES_A_WORD = 8
"""Most cycles that a word of memory takes, requests and refreshes included, with much to spare."""

UPLOADED_REQUESTS = 64
"""Requests of an upload that the channel gets together."""


class BoardTransport:
    """Loads weights into a board's memory and multiplies there.

    Parameters
    ----------
    channel
        To the board; closed with the transport.
    engine
        The board's engine.
    memory_bytes
        Bytes of its memory.
    """

    def __init__(self, channel: Channel, engine: EngineParameters, memory_bytes: int) -> None:
        self._channel, self._engine = channel, engine
        self._workspace = Workspace.of(engine)
        self._allocator = Allocator(self._workspace.end, memory_bytes, WORD_BYTES)

    def check_room(self, nbytes: int) -> None:
        """Refuse weights that the free memory does not hold.

        Raises
        ------
        DeviceError
            Naming what is needed, what is free, and by how much it is too small.
        """
        self._allocator.check_room(nbytes)

    def load(self, beats: Beats, beat_bits: int) -> StoredWeights:
        """Write a matrix into the memory, without gaps, and compare checksums.

        Raises
        ------
        DeviceError
            If it does not fit, before anything is written, or the memory does not hold what was written.
        """
        octets = dense_bytes(beats, beat_bits)
        address = self._allocator.allocate(octets.nbytes)
        try:
            self._upload(address, octets)
        except BaseException:
            self._allocator.free(address)
            raise
        return StoredWeights(address, len(beats), octets.nbytes)

    def unload(self, weights: StoredWeights) -> None:
        """Give the room of a matrix back."""
        self._allocator.free(weights.place)

    def run(self, passes: Sequence[Pass]) -> Iterator[tuple[Beats, int]]:
        """Run passes; yields result beats and cycles of each.

        Raises
        ------
        DeviceError
            If the board stops answering, or refuses.
        """
        for product in passes:
            yield self._run(product)

    def route(self, packet: Packet, word_limit: int, cycle_limit: int) -> list[int]:
        """No board has a router yet.

        Raises
        ------
        DeviceError
            Always.
        """
        raise DeviceError("the board has no router; open another device")

    def run_routed(self, product: Pass, scales: Beats, packet: Packet, word_limit: int) -> tuple[list[int], int]:
        """No board has a router yet.

        Raises
        ------
        DeviceError
            Always.
        """
        raise DeviceError("the board has no router; open another device")

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _upload(self, address: int, octets: NDArray[np.uint8]) -> None:
        requests = self._writes(address, octets)
        for first in range(0, len(requests), UPLOADED_REQUESTS):
            self._exchange(requests[first : first + UPLOADED_REQUESTS])
        words = octets.nbytes // WORD_BYTES
        ((answer, _),) = self._exchange([request_words(Opcode.CHECKSUM, address, words)], words)
        if answer["checksum"] != zlib.crc32(octets.tobytes()):
            raise DeviceError(f"the board's memory does not hold what was written to {address:#x}; load it again")

    def _writes(self, address: int, octets: NDArray[np.uint8]) -> list[list[int]]:
        words = octets.view("<u4")
        return [
            request_words(Opcode.WRITE, address + WORD_BYTES * at, data=words[at : at + WRITTEN_WORDS].tolist())
            for at in range(0, len(words), WRITTEN_WORDS)
        ]

    def _run(self, product: Pass) -> tuple[Beats, int]:
        """Activations in, the product, results out: the board does them in this order, so all are sent together."""
        place, words = self._workspace, RESULT_WORDS * product.result_beats
        command = command_layout(self._engine).from_bits(product.command)
        writes = self._writes(place.activations, product.activations.reshape(-1))
        multiply = request_words(
            Opcode.PRODUCT,
            command.format,
            command.column_blocks + 1,
            command.row_groups + 1,
            command.vectors + 1,
            place.activations,
            product.weights.place,
            place.results,
        )
        reads = [
            request_words(Opcode.READ, place.results + WORD_BYTES * at, min(READ_WORDS, words - at))
            for at in range(0, words, READ_WORDS)
        ]
        moved = len(product.activations) + product.weights.beats + words
        answers = self._exchange([*writes, multiply, *reads], moved)
        cycles = answers[len(writes)][0]["cycles"]
        results = np.array([word for _, data in answers[len(writes) + 1 :] for word in data], dtype="<u4")
        return results.view(np.uint8).reshape(product.result_beats, -1), cycles

    def _exchange(self, requests: Sequence[list[int]], words: int = 0) -> list[tuple[dict[str, int], list[int]]]:
        """Fields and data of each response; ``words`` pass the memory beside those of the requests."""
        moved = words + sum(map(len, requests)) + MAXIMUM_WORDS
        responses = self._channel.exchange(requests, CYCLES_A_WORD * moved)
        return [answer_of(Opcode(request[0]), response) for request, response in zip(requests, responses, strict=True)]
