"""The transport to a board: weights stay in its memory, activations and results pass the channel."""

from collections.abc import Iterator, Sequence

import numpy as np

from formats.board_requests import WORD_BYTES, Opcode, answer_of, request_words
from formats.engine import EngineParameters
from formats.errors import DeviceError
from formats.router.descriptor import RouterParameters
from hw.engine.sequencer import command_layout
from sw_runtime.device.board.allocator import Allocator
from sw_runtime.device.board.channel import Channel
from sw_runtime.device.board.memory import reads, rounded_reads, upload, writes
from sw_runtime.device.board.workspace import Workspace
from sw_runtime.device.layout import Beats, dense_bytes
from sw_runtime.device.rounding import results_of
from sw_runtime.device.transport import Packet, Pass, StoredWeights

RESULT_WORDS = 2
"""Words of a result."""

NO_ROUTER = "the board has no router: leave the work to the host, or open another device"


def check_router(router: RouterParameters | None) -> None:
    """Refuse to open a board with a router: none has one yet.

    Raises
    ------
    DeviceError
        If one is asked for.
    """
    if router:
        raise DeviceError(NO_ROUTER)


class BoardTransport:
    """Loads weights into a board's memory and multiplies there.

    Activations that were the last ones sent are there still, and are not sent again: a layer's queries, keys and values
    have the same, and so have its gates and ups.

    Parameters
    ----------
    channel
        To the board; closed with the transport. An attribute, for who asks the board more than a transport does.
    engine
        The board's engine.
    memory_bytes
        Bytes of its memory.
    """

    def __init__(self, channel: Channel, engine: EngineParameters, memory_bytes: int) -> None:
        self.channel, self._engine = channel, engine
        self._workspace = Workspace.of(engine)
        self._allocator = Allocator(self._workspace.end, memory_bytes, WORD_BYTES)
        self._held: Beats | None = None

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
            upload(self.channel, address, octets)
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
        held, self._held = self._held, None  # unknown, should the channel fail
        asked = []
        for product in passes:
            there = held is not None and np.array_equal(held, product.activations)
            asked.append(self._requests(product, there))
            held = product.activations
        responses = self.channel.exchange(request for requests in asked for request in requests)
        for product, requests in zip(passes, asked, strict=True):
            answers = [(request[0], *answer_of(Opcode(request[0]), next(responses))) for request in requests]
            (cycles,) = (fields["cycles"] for opcode, fields, _ in answers if opcode == Opcode.PRODUCT)
            words = [word for _, _, data in answers for word in data]
            yield _result_beats(words, product), cycles
        self._held = held

    def route(self, packet: Packet, word_limit: int, cycle_limit: int) -> list[int]:
        """No board has a router yet.

        Raises
        ------
        DeviceError
            Always.
        """
        raise DeviceError(NO_ROUTER)

    def run_routed(self, product: Pass, scales: Beats, packet: Packet, word_limit: int) -> tuple[list[int], int]:
        """No board has a router yet.

        Raises
        ------
        DeviceError
            Always.
        """
        raise DeviceError(NO_ROUTER)

    def close(self) -> None:
        """Close the channel."""
        self.channel.close()

    def _requests(self, product: Pass, there: bool) -> list[list[int]]:
        """Activations in, the product, results out: the board does them in this order, so all are sent together.

        Activations that are ``there`` already stay out.
        """
        place, command = self._workspace, command_layout(self._engine).from_bits(product.command)
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
        sent = () if there else writes(self.channel, place.activations, product.activations.reshape(-1))
        words = RESULT_WORDS * product.result_beats
        if product.places is None:
            results = reads(self.channel, place.results, words)
        else:
            results = rounded_reads(self.channel, place.results, words, product.places)
        return [*sent, multiply, *results]


def _result_beats(words: list[int], product: Pass) -> Beats:
    """Beats as they left the engine; what was rounded has zeros for its lost bits."""
    if product.places is None:
        octets = np.array(words, dtype="<u4").view(np.uint8)
    else:
        octets = results_of(words, product.places)[: product.result_beats].view(np.uint8)
    return octets.reshape(product.result_beats, -1)
