"""How matrices and vectors lie in the beats of an engine's memory port."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from formats.engine import EngineParameters
from formats.matrices import Matrix
from formats.weight_format import WeightFormat
from sw_runtime.device.protocol import MatrixShape

Beats = NDArray[np.uint8]
"""uint8 [beats, port_bytes], C-contiguous."""

GROUPS_AT_ONCE = 512
"""Row groups unpacked at once."""


def format_of(matrix: Matrix, parameters: EngineParameters) -> WeightFormat:
    """The weight format of a matrix, as the engine holds it."""
    return parameters.weight_formats[parameters.formats.index(matrix.name)]


def weight_beats(matrix: Matrix, parameters: EngineParameters) -> Beats:
    """Beats of a matrix: row group by row group, a beat per column block, lane 0's word lowest.

    A palette's row group starts with its table. Rows past the last are words of zeros, whose results
    nobody reads.
    """
    weight_format = format_of(matrix, parameters)
    words = matrix.lane_words(weight_format.block_size)
    lanes = parameters.lanes_for(weight_format)
    groups = parameters.row_groups(weight_format, matrix.rows)
    width = words.shape[2]
    padded = np.zeros((groups * lanes, words.shape[1], width), dtype=np.uint8)
    padded[: matrix.rows] = words
    beats = padded.reshape(groups, lanes, -1, width).transpose(0, 2, 1, 3).reshape(-1, lanes * width)
    if width == weight_format.word_bits:
        beats = np.packbits(beats, axis=-1, bitorder="little")
    beats = _pad_beats(beats, parameters.port_bytes)
    if not weight_format.table_blocks:
        return beats
    tables = _pad_beats(matrix.table_bytes(groups, lanes), weight_format.table_blocks * parameters.port_bytes)
    in_groups = [part.reshape(groups, -1, parameters.port_bytes) for part in (tables, beats)]
    return np.concatenate(in_groups, axis=1).reshape(-1, parameters.port_bytes)


def activation_beats(activations: Tensor, weight_format: WeightFormat, parameters: EngineParameters) -> Beats:
    """Beats of one pass's vectors, int64 [vectors, columns]: words of whole column blocks, zeros past the last
    and where a palette's table takes the place of blocks."""
    vectors, columns = activations.shape
    words = parameters.activation_words(weight_format, columns)
    blocks = parameters.blocks_per_activation_word(weight_format)
    octets = np.dtype(f"<i{parameters.activation_bits // 8}")
    padded = np.zeros((vectors, words * blocks * weight_format.block_size), dtype=octets)
    before = weight_format.table_blocks * weight_format.block_size
    padded[:, before : before + columns] = activations.numpy()
    in_words = padded.view(np.uint8).reshape(vectors * words, -1)
    beats_per_word = parameters.beats_per_activation_word(weight_format)
    return _pad_beats(in_words, beats_per_word * parameters.port_bytes).reshape(-1, parameters.port_bytes)


def dense_bytes(beats: Beats, beat_bits: int) -> NDArray[np.uint8]:
    """The lowest ``beat_bits`` of each beat without gaps: uint8 [a multiple of port_bytes], as a board keeps them."""
    port_bytes = beats.shape[1]
    if beat_bits % 8:
        bits = np.unpackbits(beats, axis=1, bitorder="little")[:, :beat_bits]
        octets = np.packbits(bits.reshape(-1), bitorder="little")
    else:
        octets = beats[:, : beat_bits // 8].reshape(-1)
    return np.pad(octets, (0, -len(octets) % port_bytes))


def words_of(octets: NDArray[np.uint8], shape: MatrixShape, parameters: EngineParameters) -> Tensor:
    """Words of a matrix without tables out of its ``dense_bytes``: int64 [rows, blocks]."""
    weight_format = parameters.weight_formats[parameters.formats.index(shape.format)]
    lanes, blocks = parameters.lanes_for(weight_format), weight_format.blocks(shape.columns)
    words = np.zeros((parameters.row_groups(weight_format, shape.rows), lanes, blocks), dtype=np.int64)
    bits, width = lanes * weight_format.word_bits, weight_format.word_bits
    for first in range(0, len(words), GROUPS_AT_ONCE):  # a multiple of 8 groups, so each begins with an octet
        groups = min(GROUPS_AT_ONCE, len(words) - first)
        start = first * blocks * bits // 8
        some = octets[start : start + -(-groups * blocks * bits // 8)]
        unpacked = np.unpackbits(some, bitorder="little", count=groups * blocks * bits)
        by_row = unpacked.reshape(groups, blocks, lanes, width).transpose(0, 2, 1, 3)
        packed = np.packbits(by_row, axis=-1, bitorder="little")
        padded = np.pad(packed, ((0, 0), (0, 0), (0, 0), (0, 8 - packed.shape[-1])))
        words[first : first + groups] = padded.view("<i8")[..., 0]
    return torch.from_numpy(words.reshape(-1, blocks)[: shape.rows])


def stored_bytes(shape: MatrixShape, parameters: EngineParameters) -> int:
    """Bytes of a matrix's beats without gaps."""
    weight_format = parameters.weight_formats[parameters.formats.index(shape.format)]
    beats = parameters.weight_beats(weight_format, shape.rows, shape.columns)
    return -(-beats * parameters.beat_bits(weight_format) // parameters.port_bits) * parameters.port_bytes


def results_from_beats(
    beats: Beats, weight_format: WeightFormat, parameters: EngineParameters, rows: int, vectors: int
) -> Tensor:
    """Results of one pass as the engine reads them out → int64 [vectors, rows]."""
    lanes = parameters.lanes_for(weight_format)
    padded_lanes = parameters.result_beats(weight_format) * parameters.results_per_beat
    by_group = beats.reshape(-1).view(np.int64).reshape(-1, vectors, padded_lanes)
    ordered = by_group[:, :, :lanes].transpose(1, 0, 2).reshape(vectors, -1)
    return torch.from_numpy(np.ascontiguousarray(ordered[:, :rows]))


def _pad_beats(beats: NDArray[np.uint8], width: int) -> Beats:
    """Zero bytes at the end of each beat."""
    if beats.shape[1] == width:
        return np.ascontiguousarray(beats)
    padded = np.zeros((len(beats), width), dtype=np.uint8)
    padded[:, : beats.shape[1]] = beats
    return padded
