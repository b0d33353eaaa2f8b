"""How matrices and vectors lie in the beats of an engine's memory port."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from formats.engine import EngineParameters, PaletteFormat, WeightFormat
from formats.matrices import EncodedMatrix, Matrix
from formats.palette import PaletteMatrix
from sw_runtime.device.checks import format_name

Beats = NDArray[np.uint8]
"""uint8 [beats, port_bytes], C-contiguous."""


def format_of(matrix: Matrix, parameters: EngineParameters) -> WeightFormat:
    """The weight format of a matrix, as the engine holds it."""
    return parameters.weight_formats[parameters.formats.index(format_name(matrix))]


def _lane_words(matrix: Matrix, weight_format: WeightFormat) -> NDArray[np.uint8]:
    """Every lane word bit by bit or byte by byte: uint8 [rows, blocks, bits] or [rows, blocks, bytes]."""
    bits = weight_format.word_bits
    if isinstance(matrix, PaletteMatrix):
        return _palette_words(matrix, weight_format.block_size)
    if not isinstance(matrix, EncodedMatrix):
        padding = weight_format.blocks(matrix.columns) * weight_format.block_size - matrix.columns
        padded = torch.nn.functional.pad(matrix.weights, (0, padding)).contiguous()
        return padded.numpy().view(np.uint8).reshape(matrix.rows, -1, bits // 8)
    octets = matrix.words.contiguous().numpy().view(np.uint8).reshape(*matrix.words.shape, 8)
    if bits % 8 == 0:
        return octets[..., : bits // 8]
    return np.unpackbits(octets, axis=-1, bitorder="little")[..., :bits]


def _palette_words(matrix: PaletteMatrix, block_size: int) -> NDArray[np.uint8]:
    """Codes, the first lowest: uint8 [rows, blocks, 4]."""
    padded = torch.nn.functional.pad(matrix.codes, (0, -matrix.columns % block_size))
    places = torch.arange(block_size) * matrix.code_bits
    words = (padded.view(matrix.rows, -1, block_size) << places).sum(dim=-1)
    return words.numpy().astype("<u4").view(np.uint8).reshape(matrix.rows, -1, 4)


def _with_tables(beats: Beats, matrix: PaletteMatrix, weight_format: PaletteFormat, lanes: int) -> Beats:
    """Every row group's table in front of its words: [groups * blocks, port_bytes] both times."""
    groups = -(-matrix.rows // lanes)
    table_of_group = torch.arange(groups) * lanes // weight_format.rows_a_table
    tables = matrix.tables[table_of_group].numpy().astype("<i2").view(np.uint8)
    port_bytes = beats.shape[1]
    padded = _pad_beats(tables, weight_format.table_blocks * port_bytes)
    in_groups = [padded.reshape(groups, -1, port_bytes), beats.reshape(groups, -1, port_bytes)]
    return np.concatenate(in_groups, axis=1).reshape(-1, port_bytes)


def weight_beats(matrix: Matrix, parameters: EngineParameters) -> Beats:
    """Beats of a matrix: row group by row group, a beat a column block, lane 0's word lowest.

    A palette's row group starts with its table. Rows past the last are words of zeros, whose results
    nobody reads.
    """
    weight_format = format_of(matrix, parameters)
    words = _lane_words(matrix, weight_format)
    lanes = parameters.lanes_for(weight_format)
    groups = parameters.row_groups(weight_format, matrix.rows)
    width = words.shape[2]
    padded = np.zeros((groups * lanes, words.shape[1], width), dtype=np.uint8)
    padded[: matrix.rows] = words
    beats = padded.reshape(groups, lanes, -1, width).transpose(0, 2, 1, 3).reshape(-1, lanes * width)
    if width == weight_format.word_bits:
        beats = np.packbits(beats, axis=-1, bitorder="little")
    beats = _pad_beats(beats, parameters.port_bytes)
    if isinstance(weight_format, PaletteFormat) and isinstance(matrix, PaletteMatrix):
        return _with_tables(beats, matrix, weight_format, lanes)
    return beats


def activation_beats(activations: Tensor, weight_format: WeightFormat, parameters: EngineParameters) -> Beats:
    """Beats of one pass's vectors, int64 [vectors, columns]: words of whole column blocks, zeros past the last
    and where a palette's table takes the place of blocks."""
    vectors, columns = activations.shape
    words = parameters.activation_words(weight_format, columns)
    blocks = parameters.blocks_per_activation_word(weight_format)
    octets = np.dtype(f"<i{parameters.activation_bits // 8}")
    padded = np.zeros((vectors, words * blocks * weight_format.block_size), dtype=octets)
    before = weight_format.table_blocks * weight_format.block_size if isinstance(weight_format, PaletteFormat) else 0
    padded[:, before : before + columns] = activations.numpy()
    in_words = padded.view(np.uint8).reshape(vectors * words, -1)
    beats_per_word = parameters.beats_per_activation_word(weight_format)
    return _pad_beats(in_words, beats_per_word * parameters.port_bytes).reshape(-1, parameters.port_bytes)


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
