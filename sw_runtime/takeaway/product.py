"""A small product as text: what a bench sends to an engine, and the integers that must come back."""

from collections.abc import Iterator, Sequence

import numpy as np

from formats.engine import RESULT_BITS, EngineParameters
from sw_runtime.device.driver import Driver
from sw_runtime.device.layout import Beats, format_of, results_from_beats
from sw_runtime.device.random_matrices import random_activations, random_matrix
from sw_runtime.device.transport import Packet, Pass, StoredWeights

ROW_GROUPS, COLUMN_BLOCKS = 2, 4
"""Size of the product, where the engine takes it; its last row group and its last block are not full."""

NOBODY_READS = "-"
"""Stands for a result of a lane that has no row."""


class PassRecorder:
    """A transport that keeps the passes it is given, and answers zeros of an engine's ``result_bytes`` a beat."""

    def __init__(self, result_bytes: int) -> None:
        self._result_bytes = result_bytes
        self.weights: list[Beats] = []
        self.passes: list[Pass] = []

    def check_room(self, nbytes: int) -> None:
        """There is always room."""

    def load(self, beats: Beats, beat_bits: int) -> StoredWeights:
        """Keep beats as they pass the port."""
        self.weights.append(beats)
        return StoredWeights(len(self.weights) - 1, len(beats), beats.nbytes)

    def unload(self, weights: StoredWeights) -> None:
        """Nothing is given back."""

    def run(self, passes: Sequence[Pass]) -> Iterator[tuple[Beats, int]]:
        """Keep passes."""
        self.passes += passes
        for each in passes:
            yield np.zeros((each.result_beats, self._result_bytes), dtype=np.uint8), 0

    def route(self, packet: Packet, word_limit: int, cycle_limit: int) -> list[int]:
        """No engine alone is asked to."""
        raise NotImplementedError

    def run_routed(self, product: Pass, scales: Beats, packet: Packet, word_limit: int) -> tuple[list[int], int]:
        """No engine alone is asked to."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is held."""


def product_text(parameters: EngineParameters, name: str) -> str:
    """A product of random words and the largest batch, a line a beat.

    ``command`` and ``data`` lines are hexadecimal numbers of the ports' payloads, in the order of sending. A
    ``results`` line has the signed integers of a beat, the lowest first, ``-`` where nobody reads one. They are the
    integer product of matrix and activations, not what a simulator said.

    Parameters
    ----------
    parameters
        The engine.
    name
        Which of its formats.
    """
    weight_format = parameters.weight_formats[parameters.formats.index(name)]
    rows = min(ROW_GROUPS * parameters.lanes_for(weight_format) - 1, parameters.maximum_rows)
    columns = min(COLUMN_BLOCKS * weight_format.block_size - 3, parameters.maximum_columns)
    matrix = random_matrix(name, rows, columns)
    activations = random_activations(parameters.batch, columns, parameters.activation_bits)
    recorder = PassRecorder(parameters.results_per_beat * RESULT_BITS // 8)
    driver = Driver("recorder", recorder, parameters)
    driver.matvec(driver.load(matrix), activations)
    (recorded,) = recorder.passes
    wanted = activations @ matrix.integers().long().T
    lines = [f"# {name}: {rows} rows, {columns} columns, {parameters.batch} vectors", f"command {recorded.command:x}"]
    for beat in np.concatenate([recorded.activations, *recorder.weights]):
        lines.append(f"data {int.from_bytes(beat.tobytes(), 'little'):x}")
    results = np.full(recorded.result_beats * parameters.results_per_beat, NOBODY_READS, dtype=object)
    places = np.arange(len(results), dtype=np.int64).view(np.uint8).reshape(recorded.result_beats, -1)
    results[results_from_beats(places, format_of(matrix, parameters), parameters, rows, len(wanted))] = wanted.numpy()
    lines += [" ".join(["results", *map(str, beat)]) for beat in results.reshape(recorded.result_beats, -1)]
    return "\n".join(lines) + "\n"
