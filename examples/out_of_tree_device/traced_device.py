"""A device outside seedloom: its own transport under seedloom's driver.

    pip install ./examples/out_of_tree_device
    python examples/run_on_device.py compressed "Once upon a time" traced

The transport notes on standard error what crosses, and leaves the work to the simulator. A link to a board
is the same class with a port to write to where this one has ``self._inner``.
"""

import sys
from collections.abc import Iterator, Sequence

from formats.engine import EngineParameters
from formats.router.descriptor import RouterParameters
from hw.router.parameters import UnitParameters
from sw_runtime.device.driver import Driver
from sw_runtime.device.layout import Beats
from sw_runtime.device.simulator.transport import VerilatorTransport
from sw_runtime.device.transport import Packet, Pass, StoredWeights, Transport


class TracedTransport:
    """Notes what crosses, and passes it on.

    Parameters
    ----------
    inner
        The transport that does the work; closed with this one.
    """

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    def check_room(self, nbytes: int) -> None:
        """Refuse weights that do not fit."""
        self._inner.check_room(nbytes)

    def load(self, beats: Beats, beat_bits: int) -> StoredWeights:
        """Keep the beats of a matrix."""
        weights = self._inner.load(beats, beat_bits)
        _note(f"matrix: {weights.nbytes} bytes to be read a pass")
        return weights

    def unload(self, weights: StoredWeights) -> None:
        """Give their room back."""
        self._inner.unload(weights)

    def run(self, passes: Sequence[Pass]) -> Iterator[tuple[Beats, int]]:
        """Run passes; yields result beats and cycles of each."""
        for product, answer in zip(passes, self._inner.run(passes), strict=True):
            _note(f"pass: {_bytes(product)} bytes in, {answer[0].nbytes} out, {answer[1]} cycles")
            yield answer

    def route(self, packet: Packet, word_limit: int, cycle_limit: int) -> list[int]:
        """Run a router command; returns the words of its answer."""
        words = self._inner.route(packet, word_limit, cycle_limit)
        _note(f"router command {packet.command.opcode:#04x}: {len(packet.beats)} beats in, {len(words)} words out")
        return words

    def run_routed(self, product: Pass, scales: Beats, packet: Packet, word_limit: int) -> tuple[list[int], int]:
        """Run a routed pass; returns the words of its answer, and cycles."""
        words, cycles = self._inner.run_routed(product, scales, packet, word_limit)
        _note(f"routed pass: {_bytes(product) + scales.nbytes} bytes in, {len(words)} words out, {cycles} cycles")
        return words, cycles

    def close(self) -> None:
        """Close the transport that does the work."""
        self._inner.close()


def open_traced(parameters: EngineParameters, router: RouterParameters | None = None) -> Driver:
    """The simulated device, traced; what ``seedloom.open_device("traced", ...)`` opens."""
    unit = UnitParameters(**vars(router)) if router else None
    return Driver("traced", TracedTransport(VerilatorTransport(parameters, unit)), parameters, router)


def _bytes(product: Pass) -> int:
    return product.activations.nbytes + product.weights.nbytes


def _note(line: str) -> None:
    print(line, file=sys.stderr)
